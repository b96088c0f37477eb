package intake

import (
	"cmp"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// A rotation is what a file's name tells of its place among files that were one
// log: foo.log.2.gz, foo.log.1, foo.log; or foo-2026-11-01.log, foo.log.
type rotation struct {
	base  string // the name of the newest
	kind  int    // 0 dated, 1 numbered, 2 neither
	age   []int  // of a dated one what follows from the date on, of a numbered one the number negated
	whole string
}

var (
	packedName   = regexp.MustCompile(`\.(?:gz|bz2|xz|zst|Z|zip)$`)
	numberedName = regexp.MustCompile(`^(.+)\.(\d{1,4})$`)
	datedName    = regexp.MustCompile(`^(.+?)[-._]((?:19|20)\d\d)[-._]?(0[1-9]|1[0-2])[-._]?(0[1-9]|[12]\d|3[01])((?:[-._T]?\d+)*)([-._].*)?$`)
	digits       = regexp.MustCompile(`\d+`)
)

func rotationOf(name string) rotation {
	r := rotation{base: packedName.ReplaceAllString(name, ""), kind: 2, whole: name}
	if m := datedName.FindStringSubmatch(r.base); m != nil {
		date, _ := strconv.Atoi(m[2] + m[3] + m[4]) // eight digits
		r.kind, r.age = 0, []int{date}
		for _, d := range digits.FindAllString(m[5], -1) {
			n, err := strconv.Atoi(d)
			if err != nil {
				break // it is no time
			}
			r.age = append(r.age, n)
		}
		r.base = m[1] + m[6]
	} else if m := numberedName.FindStringSubmatch(r.base); m != nil {
		n, _ := strconv.Atoi(m[2]) // four digits at most
		r.kind, r.age = 1, []int{-n}
		r.base = m[1]
	}
	return r
}

// A rotationPath is a rotation in its folder. Names compare by folder and name,
// but such that of what was one log the older part comes first.
type rotationPath struct {
	folder string
	rotation
}

func rotationPathOf(name string) rotationPath {
	folder, file := path.Split(name)
	return rotationPath{folder, rotationOf(file)}
}

func (r rotationPath) compare(o rotationPath) int {
	return cmp.Or(strings.Compare(r.folder, o.folder), r.rotation.compare(o.rotation))
}

func (r rotation) compare(o rotation) int {
	return cmp.Or(
		strings.Compare(r.base, o.base),
		cmp.Compare(r.kind, o.kind),
		compareInts(r.age, o.age),
		strings.Compare(r.whole, o.whole),
	)
}

func compareInts(a, b []int) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}
