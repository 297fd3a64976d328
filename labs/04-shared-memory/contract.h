/*
 * contract.h - what the programs of this lab agree on, on both systems.
 *
 * Shared memory has no reads and writes that somebody else could put in order: whoever maps
 * it must know where everything stands, who may touch it when, and how to tell the others.
 * All of that is here; the rules in words are in README.md, "The contract".
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <stdatomic.h>
#include <stdint.h>

#ifndef _WIN32
#include <pthread.h>
#include <semaphore.h>
#endif

/* ---- The numbers ----------------------------------------------------------------------- */

/* The generator of the listing's C library: 41, 18467, 6334, ... from FIRST_STATE. */
#define FIRST_STATE 1

static inline unsigned next_number(uint32_t *state)
{
    *state = *state * 214013U + 2531011U;
    return (*state >> 16) & 0x7fff;
}

/* ---- server and client ----------------------------------------------------------------- */

#define DEFAULT_NAME "MyFileMappingObject"
#define NAME_ROOM 200 /* a NAME with what is put before and behind it, and its NUL */

#define SERVER_COUNT 0  /* how many numbers: 0 is without end; the listing never ends */
#define CLIENT_COUNT 15 /* the listing reads 15 times */
#define MAX_COUNT 1000000000

/* With --mutex-only: how many milliseconds from one number to the next. */
#define DEFAULT_PACE 1000
#define MAX_PACE 3600000

/* The shared 256 bytes, the same on both systems: a text with its NUL, and whether nobody has
 * read it yet. The mutex guards both. That `unread` is atomic is not for the sake of the other
 * process, which waits for the mutex, but of a death in between: the compiler must not move
 * the store that says "whole" before those that make it whole. */
#define TEXT_SIZE 252
struct slot {
    char text[TEXT_SIZE];
    _Atomic uint32_t unread;
};
_Static_assert(sizeof(struct slot) == 256, "the mapping of the listing has 256 bytes");

#ifdef _WIN32

/* The names of the kernel objects. Only the mapping and the mutex are the listing's, and only
 * the default NAME gives the mutex the listing's own name. A client that gets "alive", for its
 * server has ended, keeps it until it has looked for the last time. */
#define DEFAULT_MUTEX_NAME L"SyncMutex"
#define MUTEX_NAME L"%ls-SyncMutex" /* for any other NAME */
#define VALUE_NAME L"%ls-value"     /* auto-reset event: look, there may be a number */
#define ROOM_NAME L"%ls-room"       /* auto-reset event: look, there may be room */
#define ALIVE_NAME L"%ls-alive"     /* mutex: the server owns it as long as it lives */
#define SERVER_NAME L"%ls-server"   /* exists as long as there is a server */
#define CLIENT_NAME L"%ls-client"   /* exists as long as there is a client */

#else

/* The POSIX shared memory object "/NAME": the 256 bytes, and behind them what Windows keeps
 * in named objects of the kernel. Who wakes posts even a semaphore that is 1: its last poster
 * may have been killed before anybody woke. */
enum { BEING_MADE, READY, ENDED };
struct shared {
    struct slot slot;
    _Atomic uint32_t
        state; /* READY when all the rest is; ENDED when the server has ended */
    pthread_mutex_t mutex; /* process-shared and robust; guards slot */
    sem_t value;           /* look, there may be a number */
    sem_t room;            /* look, there may be room */
};

/* Bytes of the object's file that a process locks (F_SETLK) as long as it lives. Nothing
 * is meant but the lock: the kernel takes it back from the dead. */
#define LOCK_SERVER 0 /* the server, so that there is one at most */
#define LOCK_ALIVE 1  /* the server, so that a client can wait for its end */
#define LOCK_CLIENT 2 /* the client, so that there is one at most */

#endif

/* ---- server_file and client_file ------------------------------------------------------- */

/* A file of records, the same on both systems: how many there are, then the records. */
#define DEFAULT_FILE "numbers.map"
#define FILE_COUNT 15
#define MAX_RECORDS 1000000
#define RECORD_SIZE 16

struct journal {
    _Atomic uint32_t count; /* raised only when the record is on its way to the disk */
    char unused[RECORD_SIZE - sizeof(uint32_t)];
    char records[][RECORD_SIZE]; /* decimal text, filled up with NUL */
};

/* ---- server_sysv and client_sysv ------------------------------------------------------- */

#define DEFAULT_KEY 0x4D79464D /* "MyFM": of the shared memory and of the semaphores */

/* The semaphores of the set. A server adds to all of them in one step, by which it takes the
 * key; SEM_ALIVE is 1 as long as it lives. */
enum { SEM_MUTEX, SEM_VALUE, SEM_ROOM, SEM_ALIVE, SEM_CLIENT, SEM_COUNT };

#ifndef _WIN32
/* The segment. That the semaphores are gone does not say how the server ended: it removes them,
 * and the next server removes those of a killed one. `state` does, and who is attached keeps it. */
struct segment {
    struct slot slot;
    _Atomic uint32_t state; /* READY when all is; ENDED when the server has ended */
};
#endif

/* ---- server_rwlock and client_rwlock --------------------------------------------------- */

#define DEFAULT_BOARD "MyNoticeBoard"

#ifdef _WIN32
struct board {
    char text[TEXT_SIZE];
    uint32_t readers; /* how many are inside; READERS_NAME guards it */
};
#define READERS_NAME L"%ls-readers" /* mutex: whoever changes `readers` owns it */
#define INSIDE_NAME L"%ls-inside"   /* semaphore 1: the writer, or the readers, take it */
#else
struct board {
    char text[TEXT_SIZE];
    _Atomic uint32_t state; /* READY when the lock is */
    pthread_rwlock_t lock;
};
#endif

/* ---- table ----------------------------------------------------------------------------- */

#define TABLE_CELLS 64
#define TABLE_PROCESSES 4
#define TABLE_UPDATES 2000
#define MAX_PROCESSES 64
#define MAX_UPDATES 1000000

#endif
