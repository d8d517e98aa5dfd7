/* A disk that fails on command, for LD_PRELOAD. The first byte of the file named by BAD_DISK says how:
 *   'w'  writes fail with ENOSPC;
 *   's'  syncs fail with EIO, and what was written stays in the cache, to be synced later;
 *   'l'  syncs fail with EIO and what was not synced is lost, as Linux does it: its pages count as clean from then on. Half of
 *        them leave the cache at once, and are read from the disk again; the others look well until the power is lost;
 *   'p'  the next sync is a loss of power: of the pages that were not synced some are on the disk and some are not, those that were
 *        lost before are not, and the process dies;
 *   anything else: all is well.
 * Only positioned writes, syncs and truncations are touched, which is what databases use; logs go on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define PAGE 4096
#define BUCKETS 65536
#define MOST_FILES 1024

/* A page of which the disk holds something else than the cache. */
struct page {
    struct page *next;
    ino_t file;
    off64_t number;
    int dirty;                /* a sync may still save it; otherwise it is lost */
    unsigned char disk[PAGE]; /* what the disk holds */
};

static struct page *pages[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static char said(void) {
    const char *path = getenv("BAD_DISK");
    char how = 0;
    int fd;
    if (!path || (fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)) < 0)
        return 0;
    if (syscall(SYS_read, fd, &how, 1) != 1)
        how = 0;
    syscall(SYS_close, fd);
    return how;
}

static ino_t file_of(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 ? about.st_ino : 0;
}

static unsigned bucket(ino_t file, off64_t number) { return (unsigned)((file * 31 + (ino_t)number) % BUCKETS); }

/* What a page holds now; zeros where the file has no bytes yet. */
static void read_page(int fd, unsigned char *into, off64_t number) {
    char path[40];
    if (syscall(SYS_pread64, fd, into, PAGE, number * PAGE) >= 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd); /* it was opened to write alone */
    if ((fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY)) < 0)
        abort();
    syscall(SYS_pread64, fd, into, PAGE, number * PAGE);
    syscall(SYS_close, fd);
}

/* The page is about to be written: remembers what the disk holds, unless that is known already. */
static void dirty(int fd, ino_t file, off64_t number) {
    struct page *known = pages[bucket(file, number)];
    while (known && (known->file != file || known->number != number))
        known = known->next;
    if (!known) {
        if (!(known = calloc(1, sizeof *known)))
            abort();
        known->file = file;
        known->number = number;
        read_page(fd, known->disk, number);
        known->next = pages[bucket(file, number)];
        pages[bucket(file, number)] = known;
    }
    known->dirty = 1;
}

/* Gives the cache what the disk holds, by whatever descriptor may write the file now; never makes the file longer. */
static void evict(const struct page *page) {
    struct stat about;
    off64_t at = page->number * PAGE;
    for (int fd = 0; fd < MOST_FILES; fd++) {
        if (fstat(fd, &about) != 0 || about.st_ino != page->file)
            continue;
        off64_t left = about.st_size - at;
        if (left <= 0 || syscall(SYS_pwrite64, fd, page->disk, left < PAGE ? left : PAGE, at) >= 0)
            return;
    }
}

/* Goes through the pages of a file (0: of all files) from page `from` on, and forgets those for which `over` says so. */
static void each(ino_t file, off64_t from, int (*over)(struct page *)) {
    for (unsigned n = 0; n < BUCKETS; n++)
        for (struct page **at = &pages[n]; *at;) {
            struct page *page = *at;
            if ((!file || page->file == file) && page->number >= from && over(page)) {
                *at = page->next;
                free(page);
            } else
                at = &page->next;
        }
}

static int synced(struct page *page) { return page->dirty; }

static int cut_off(struct page *page) { return page != NULL; }

static int lost(struct page *page) {
    if (!page->dirty)
        return 0;
    page->dirty = 0;
    if (rand() % 2)
        return 0;
    evict(page);
    return 1;
}

static int without_power(struct page *page) {
    if (!page->dirty || rand() % 2)
        evict(page);
    return 1;
}

static int sync_file(int fd, long call) {
    int result;
    pthread_mutex_lock(&lock);
    switch (said()) {
    case 'p':
        each(0, 0, without_power);
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    case 'l':
        each(file_of(fd), 0, lost);
        /* fall through */
    case 's':
        result = -1;
        break;
    default:
        if ((result = (int)syscall(call, fd)) == 0)
            each(file_of(fd), 0, synced);
    }
    pthread_mutex_unlock(&lock);
    if (result < 0)
        errno = EIO;
    return result;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    ssize_t written;
    if (said() == 'w') {
        errno = ENOSPC;
        return -1;
    }
    pthread_mutex_lock(&lock);
    for (off64_t number = at / PAGE; number * PAGE < at + (off64_t)size; number++)
        dirty(fd, file_of(fd), number);
    written = syscall(SYS_pwrite64, fd, data, size, at);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

int ftruncate64(int fd, off64_t size) {
    pthread_mutex_lock(&lock);
    each(file_of(fd), (size + PAGE - 1) / PAGE, cut_off);
    pthread_mutex_unlock(&lock);
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
