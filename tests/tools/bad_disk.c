/* A disk that fails on command, for LD_PRELOAD. The first byte of the file named by BAD_DISK says how:
 * 'w' writes fail with ENOSPC, 's' syncs fail with EIO, anything else: all is well. Only positioned writes and syncs are touched,
 * which is what databases use; logs go on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(char how) {
    const char *path = getenv("BAD_DISK");
    char said = 0;
    int fd;
    if (!path || (fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)) < 0)
        return 0;
    if (syscall(SYS_read, fd, &said, 1) != 1)
        said = 0;
    syscall(SYS_close, fd);
    return said == how;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (fails('w')) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

int fdatasync(int fd) {
    if (fails('s')) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    if (fails('s')) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}
