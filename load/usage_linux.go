package load

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A usage is what processes have used so far.
type usage struct {
	at                  time.Time
	server, own         time.Duration // CPU time
	machine, steal      time.Duration // of all processors
	serverRSS           uint64
	serverSeen, allSeen bool
}

// measure reads the usage of the server's process with all that descend from
// it, of this process, and of the machine. What cannot be read is zero.
func measure(serverPID int) usage {
	u := usage{at: time.Now()}
	u.own, _ = CPUTime(os.Getpid())
	u.machine, u.steal, u.allSeen = MachineTime()
	if serverPID > 0 {
		for _, pid := range Family(serverPID) {
			if d, ok := CPUTime(pid); ok {
				u.server += d
				u.serverSeen = true
			}
			u.serverRSS += Resident(pid)
		}
	}
	return u
}

// CPUTime reads a process's CPU clock, which counts its ended threads too and
// is exact where /proc counts ticks of 10 ms. The clock's number is made of the
// process's as clock_getcpuclockid(3) does.
func CPUTime(pid int) (time.Duration, bool) {
	const scheduled = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

// Family lists a process and all that descend from it.
func Family(root int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []int{root}
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent; the name may hold anything, even ')'.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		for _, c := range children[all[i]] {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// Resident returns the resident memory of a process in octets, 0 if it cannot be
// read.
func Resident(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// MachineTime reads how long all processors together have been busy, and how
// long the host of this virtual machine has kept them waiting.
func MachineTime() (busy, steal time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal ...
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, false
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		switch i {
		case 0, 1, 2, 5, 6:
			busy += time.Duration(n) * tick
		case 7:
			steal += time.Duration(n) * tick
		}
	}
	return busy, steal, true
}
