/*
 * contract.h - what the programs of this lab agree on, on both systems.
 *
 * Shared memory has no read() and write() that would order two processes. Both must know
 * where everything is in the memory, when each may access it, and how each wakes the
 * other. All of that is here. README.md has the rules in words ("The contract").
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdatomic.h>
#include <stdint.h>

#ifndef _WIN32
#include <pthread.h>
#include <semaphore.h>
#endif

/* ---- The numbers ------------------------------------------------------------------- */

/* The generator of the listing's C library. From FIRST_STATE: 41, 18467, 6334, ... */
#define FIRST_STATE 1

static inline unsigned next_number(uint32_t *state)
{
    *state = *state * 214013U + 2531011U;
    return (*state >> 16) & 0x7fff;
}

/* ---- The pair ---------------------------------------------------------------------- */

#define DEFAULT_NAME "MyFileMappingObject"
#define NAME_SIZE 200 /* room for NAME, what is added to it, and a NUL */

/* How many numbers. For the server 0 means no limit: the listing never ends. */
#define SERVER_COUNT 0
#define CLIENT_COUNT 15
#define MAX_COUNT 1000000000

/* The first 256 bytes, the same on both systems, which the mutex guards: the number as
 * decimal text with a NUL, and 1 if it has not been read yet. `unread` is atomic for the
 * robust programs: a process may be killed between two stores, and the compiler must not
 * move the store that means "the text is whole" before the text. */
#define TEXT_SIZE 252
struct slot {
    char text[TEXT_SIZE];
    _Atomic uint32_t unread;
};
_Static_assert(sizeof(struct slot) == 256, "the mapping of the listing has 256 bytes");

/* Windows: the names of the other objects. Only the mapping and the mutex are the
 * listing's. With the default NAME the mutex has the listing's name, too. */
#define DEFAULT_MUTEX_NAME L"SyncMutex"
#define MUTEX_NAME L"%ls-SyncMutex" /* with any other NAME */
#define VALUE_NAME L"%ls-value"     /* auto-reset event: there may be a number */
#define ROOM_NAME L"%ls-room"       /* auto-reset event: there may be room for one */
#define ALIVE_NAME L"%ls-alive"     /* mutex: the server owns it until it ends */

/* The robust programs have two more, which exist as long as a process has them open. */
#define SERVER_NAME L"%ls-server"
#define CLIENT_NAME L"%ls-client"

#ifndef _WIN32

/* UNIX: the POSIX shared memory object "/NAME": the 256 bytes, then what Windows has in
 * objects of their own. */
struct shared {
    struct slot slot;
    _Atomic uint32_t state; /* one of the four below */
    pthread_mutex_t mutex;  /* process-shared; robust in the robust programs */
    sem_t value;            /* there may be a number, or the server has ended */
    sem_t room;             /* there may be room for a number */
};
enum {
    BEING_MADE,   /* nothing else may be used yet */
    READY,        /* all of it may be used */
    ENDED,        /* the server has ended, and was not killed */
    READY_LOCKED, /* as READY, and the server holds the locks below */
};

/* Bytes of the object that a robust program locks (F_SETLK) until it ends. Only the lock
 * counts: the kernel removes it, also if the program is killed. */
#define LOCK_SERVER 0 /* the server: there is at most one */
#define LOCK_ALIVE 1  /* the server: a client can wait for its end */
#define LOCK_CLIENT 2 /* the client: there is at most one */

#endif

/* ---- server_mutex_only and client_mutex_only --------------------------------------- */

/* How many milliseconds from one number to the next. */
#define DEFAULT_PACE 1000
#define MAX_PACE 3600000

/* ---- server_file and client_file --------------------------------------------------- */

/* A file of records, the same on both systems: how many there are, then the records. */
#define DEFAULT_FILE "numbers.map"
#define FILE_COUNT 15
#define MAX_RECORDS 1000000
#define RECORD_SIZE 16

struct journal {
    _Atomic uint32_t count; /* raised only after the record has been flushed */
    char unused[RECORD_SIZE - sizeof(uint32_t)];
    char records[][RECORD_SIZE]; /* decimal text, filled up with NUL */
};

/* ---- server_sysv and client_sysv --------------------------------------------------- */

#define DEFAULT_KEY 0x4D79464D /* "MyFM": of the shared memory and of the semaphores */
#define MAX_KEY 0x7FFFFFFF

/* The semaphores of the set. A server adds to all of them in one step, by which it claims
 * the key. SEM_ALIVE is 1 until the server ends. */
enum { SEM_MUTEX, SEM_VALUE, SEM_ROOM, SEM_ALIVE, SEM_CLIENT, SEM_COUNT };

#ifndef _WIN32
/* The segment. The semaphores do not show how the server ended: it removes them, and the
 * next server removes those of a killed one. `state` does: a client that has attached the
 * segment keeps it. */
struct segment {
    struct slot slot;
    _Atomic uint32_t state; /* BEING_MADE, READY or ENDED */
};
#endif

/* ---- server_rwlock and client_rwlock ----------------------------------------------- */

#define DEFAULT_BOARD "MyNoticeBoard"

#ifdef _WIN32
struct board {
    char text[TEXT_SIZE];
    uint32_t readers; /* how many are inside; the mutex READERS_NAME guards it */
};
#define READERS_NAME L"%ls-readers" /* mutex */
#define INSIDE_NAME L"%ls-inside"   /* semaphore, 1: the writer or all readers take it */
#else
struct board {
    char text[TEXT_SIZE];
    _Atomic uint32_t state; /* READY when the lock may be used */
    pthread_rwlock_t lock;
};
#endif

/* ---- table ------------------------------------------------------------------------- */

#define TABLE_CELLS 64
#define TABLE_PROCESSES 4
#define TABLE_UPDATES 2000
#define MAX_PROCESSES 64
#define MAX_UPDATES 30000000 /* MAX_PROCESSES times this is a long on Windows, too */

#endif
