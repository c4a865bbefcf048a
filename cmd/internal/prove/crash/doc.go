// Package crash shows what a power cut can leave on disk, and that nothing of
// it loses or doubles money.
//
// Record runs a program and writes down, by tracing its system calls, every
// write, truncation, rename, removal and fsync in one directory. The program
// is not changed and knows nothing of it: what is recorded is what the real
// store, SQLite and the Go runtime do. A Disk replays such a Log, and makes at
// each point of it the directories that a power cut there may leave: what was
// not waited for is there or not, in any order and torn at any sector, and
// names that were made, moved or removed are so or not until the directory
// was waited for. This is what POSIX promises, and less than file systems do.
//
// A Fault makes the recorded program's disk fail. Tracing works on Linux; the
// calls of other processors than amd64 have other numbers, so it is for that.
package crash
