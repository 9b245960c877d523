package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Folder opens a folder on disk for Target.Static. It stays open for good, and
// nothing in it leads out of it: neither dot segments nor symbolic links.
func Folder(path string) (fs.FS, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("gate: open folder: %w", err)
	}
	return root.FS(), nil
}

// files serves a file system.
type files struct {
	fsys     fs.FS
	fallback string
	plain    bool
	sums     sync.Map // name to ETag, of files without a time, which embedded ones are
}

// types are those that a course site has and that Go or the machine may not
// know, or may know otherwise.
var types = map[string]string{
	".epub": "application/epub+zip", ".ico": "image/x-icon", ".m3u8": "application/vnd.apple.mpegurl", ".m4a": "audio/mp4",
	".m4v": "video/mp4", ".md": "text/markdown; charset=utf-8", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".oga": "audio/ogg",
	".ogg": "audio/ogg", ".otf": "font/otf", ".srt": "text/plain; charset=utf-8", ".ts": "video/mp2t", ".ttf": "font/ttf",
	".txt": "text/plain; charset=utf-8", ".vtt": "text/vtt; charset=utf-8", ".wav": "audio/wav", ".webm": "video/webm",
	".webmanifest": "application/manifest+json", ".woff": "font/woff", ".woff2": "font/woff2", ".zip": "application/zip",
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		sayNo(w, f.plain, http.StatusMethodNotAllowed, "method_not_allowed", "files can be read only")
		return
	}
	name, folder := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if name == "" {
		name, folder = ".", true
	}
	if name != "." && !servable(name) {
		notFound(w, f.plain)
		return
	}
	info, err := fs.Stat(f.fsys, name)
	switch {
	case err == nil && info.IsDir() && !folder:
		if index, err := fs.Stat(f.fsys, path.Join(name, "index.html")); err == nil && index.Mode().IsRegular() {
			toFolder(w, r, path.Base(name))
			return
		}
		err = fs.ErrNotExist // a listing, or a hint that there is something
	case err == nil && info.IsDir():
		name = path.Join(name, "index.html")
		info, err = fs.Stat(f.fsys, name)
	case err == nil && folder:
		err = fs.ErrNotExist // a file is no folder
	}
	if f.fallback != "" && (err != nil || info.IsDir()) && page(r) {
		name = f.fallback
		info, err = fs.Stat(f.fsys, name)
	}
	// What is no file (a pipe, a device) could keep us waiting for ever.
	if err != nil || !info.Mode().IsRegular() {
		f.missing(w, err)
		return
	}
	f.serve(w, r, name, info)
}

// missing answers 404 for what is not there and for what we may not read,
// which to a stranger is the same.
func (f *files) missing(w http.ResponseWriter, err error) {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrInvalid) || isPathError(err) {
		notFound(w, f.plain)
		return
	}
	sayNo(w, f.plain, http.StatusInternalServerError, "internal", "the file cannot be read")
}

// isPathError is what os.Root says of a path that leads out, and the system of
// one that is too long or has a file for a folder.
func isPathError(err error) bool {
	fault := (*fs.PathError)(nil)
	return errors.As(err, &fault)
}

func (f *files) serve(w http.ResponseWriter, r *http.Request, name string, info fs.FileInfo) {
	file, err := f.fsys.Open(name)
	if err != nil {
		f.missing(w, err)
		return
	}
	defer file.Close()
	content, ok := file.(io.ReadSeeker)
	if !ok {
		sayNo(w, f.plain, http.StatusInternalServerError, "internal", "the file cannot be read")
		return
	}
	tag, err := f.tag(name, info, content)
	if err != nil {
		sayNo(w, f.plain, http.StatusInternalServerError, "internal", "the file cannot be read")
		return
	}
	h := w.Header()
	h.Set("Etag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	// Ask each time: a page that was locked since, or is newer, is not shown out
	// of a cache. The answer is mostly 304.
	if control := h.Get("Cache-Control"); !strings.Contains(control, "no-cache") {
		h.Set("Cache-Control", strings.TrimPrefix(control+", no-cache", ", "))
	}
	ext := strings.ToLower(path.Ext(name))
	if kind := cmp.Or(types[ext], mime.TypeByExtension(ext)); kind != "" {
		h.Set("Content-Type", kind)
	} // else ServeContent looks at the first bytes
	http.ServeContent(w, r, path.Base(name), info.ModTime(), content)
}

// tag is strong: a range of the file may be asked for by it.
func (f *files) tag(name string, info fs.FileInfo, content io.ReadSeeker) (string, error) {
	if t := info.ModTime(); !t.IsZero() {
		return `"` + strconv.FormatInt(t.UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36) + `"`, nil
	}
	if tag, ok := f.sums.Load(name); ok {
		return tag.(string), nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return "", err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	tag := `"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`
	f.sums.Store(name, tag)
	return tag, nil
}

// servable reports whether a path may be asked for: one that file systems
// understand, without dot files. Those of .well-known are there to be found.
func servable(name string) bool {
	if !fs.ValidPath(name) || name == "." || strings.Contains(name, "\\") {
		return false
	}
	first := true
	for segment := range strings.SplitSeq(name, "/") {
		if segment[0] == '.' && !(first && segment == ".well-known") {
			return false
		}
		first = false
	}
	return true
}

// page reports whether the request is for a page of an application, not for a
// file that it is made of: what is missing of those must be 404, or a script
// would be HTML.
func page(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") || path.Ext(r.URL.Path) == ""
}

// toFolder redirects "a/b" to "a/b/", relative to where the client thinks it
// is, so that no prefix gets lost.
func toFolder(w http.ResponseWriter, r *http.Request, base string) {
	to := "./" + strings.TrimPrefix((&url.URL{Path: base}).EscapedPath(), "./") + "/" // the dot, lest "a:b" be a scheme
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	h := w.Header()
	h.Set("Location", to)
	h.Set("Cache-Control", cmp.Or(h.Get("Cache-Control"), "no-cache"))
	w.WriteHeader(http.StatusMovedPermanently)
}
