// musl's threads: its own futex protocols, cancellation at system calls, credentials changed for
// all threads, timers.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "compat_tests/musl/check.h"

static _Thread_local int own = 5;

static void* add_to_own(void* by) {
  own += (int)(intptr_t)by;
  return (void*)(intptr_t)own;
}

CHECK(Thread, HaveStorageOfTheirOwn) {
  pthread_t threads[8];
  for (intptr_t i = 0; i < 8; i++)
    EXPECT_NUMBER(0, pthread_create(&threads[i], NULL, add_to_own, (void*)i));
  for (intptr_t i = 0; i < 8; i++) {
    void* result;
    EXPECT_NUMBER(0, pthread_join(threads[i], &result));
    EXPECT_NUMBER(5 + i, (intptr_t)result);
  }
  EXPECT_NUMBER(5, own);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, laps;

static void* take_turns(void* which) {
  for (int i = 0; i < 200; i++) {
    pthread_mutex_lock(&lock);
    while (turn != (int)(intptr_t)which) pthread_cond_wait(&changed, &lock);
    turn = (turn + 1) % 3;
    laps++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

CHECK(Thread, TakeTurnsWithAConditionVariable) {
  pthread_t threads[3];
  turn = laps = 0;
  for (intptr_t i = 0; i < 3; i++) pthread_create(&threads[i], NULL, take_turns, (void*)i);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  EXPECT_NUMBER(600, laps);
}

static struct timespec from_now(clockid_t clock, long milliseconds) {
  struct timespec time;
  clock_gettime(clock, &time);
  time.tv_nsec += milliseconds * 1000000;
  time.tv_sec += time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

CHECK(Thread, WaitsEndInTime) {
  pthread_mutex_lock(&lock);
  struct timespec until = from_now(CLOCK_REALTIME, 20);
  EXPECT_NUMBER(ETIMEDOUT, pthread_cond_timedwait(&changed, &lock, &until));
  pthread_mutex_unlock(&lock);
  sem_t semaphore;
  EXPECT_NUMBER(0, sem_init(&semaphore, 0, 1));
  EXPECT_NUMBER(0, sem_wait(&semaphore));
  until = from_now(CLOCK_REALTIME, 20);
  EXPECT_ERRNO(ETIMEDOUT, sem_timedwait(&semaphore, &until));
  sem_destroy(&semaphore);
}

CHECK(Thread, MutexesOfAllKinds) {
  pthread_mutexattr_t kind;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&mutex, &kind);
  EXPECT_NUMBER(0, pthread_mutex_lock(&mutex));
  EXPECT_NUMBER(EDEADLK, pthread_mutex_lock(&mutex));
  EXPECT_NUMBER(0, pthread_mutex_unlock(&mutex));
  EXPECT_NUMBER(EPERM, pthread_mutex_unlock(&mutex));
  pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
  EXPECT_NUMBER(0, pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT));
  pthread_mutex_init(&mutex, &kind);
  EXPECT_NUMBER(0, pthread_mutex_lock(&mutex));
  EXPECT_NUMBER(0, pthread_mutex_lock(&mutex));
  EXPECT_NUMBER(0, pthread_mutex_unlock(&mutex));
  EXPECT_NUMBER(0, pthread_mutex_unlock(&mutex));
}

static pthread_mutex_t robust;
static void* die_with_it(void* unused) {
  pthread_mutex_lock(&robust);
  return unused;
}

CHECK(Thread, ARobustMutexOutlivesItsOwner) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  EXPECT_NUMBER(0, pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST));
  pthread_mutex_init(&robust, &kind);
  pthread_t thread;
  pthread_create(&thread, NULL, die_with_it, NULL);
  pthread_join(thread, NULL);
  EXPECT_NUMBER(EOWNERDEAD, pthread_mutex_lock(&robust));
  EXPECT_NUMBER(0, pthread_mutex_consistent(&robust));
  EXPECT_NUMBER(0, pthread_mutex_unlock(&robust));
  EXPECT_NUMBER(0, pthread_mutex_lock(&robust));
  pthread_mutex_unlock(&robust);
}

// --- cancellation: musl looks whether the signal came before or within the `syscall` instruction

static int cleaned_up;
static void clean_up(void* unused) {
  (void)unused;
  cleaned_up++;
}
static void* wait_for_ever(void* pipe_end) {
  pthread_cleanup_push(clean_up, NULL);
  char byte;
  while (read((int)(intptr_t)pipe_end, &byte, 1) >= 0) {
  }
  pthread_cleanup_pop(0);
  return NULL;
}

CHECK(Cancel, InsideASystemCall) {
  int ends[2];
  EXPECT_NUMBER(0, pipe(ends));
  for (int i = 0; i < 10; i++) {
    cleaned_up = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_ever, (void*)(intptr_t)ends[0]);
    if (i % 2 == 0) nanosleep(&(struct timespec){0, 10000000}, NULL);
    EXPECT_NUMBER(0, pthread_cancel(thread));
    void* result;
    EXPECT_NUMBER(0, pthread_join(thread, &result));
    EXPECT(result == PTHREAD_CANCELED);
    EXPECT_NUMBER(1, cleaned_up);
  }
  close(ends[0]);
  close(ends[1]);
}

static void* spin(void* unused) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  for (volatile unsigned count = 0;; count = count + 1) {
  }
  return unused;
}

CHECK(Cancel, AtAnyMoment) {
  pthread_t thread;
  pthread_create(&thread, NULL, spin, NULL);
  nanosleep(&(struct timespec){0, 10000000}, NULL);
  EXPECT_NUMBER(0, pthread_cancel(thread));
  void* result;
  EXPECT_NUMBER(0, pthread_join(thread, &result));
  EXPECT(result == PTHREAD_CANCELED);
}

// --- signals and timers

static volatile sig_atomic_t ticks;
static void tick(union sigval value) {
  ticks += value.sival_int;
}

CHECK(Timer, CallsAThread) {
  // A thread of musl's that waits for a signal of its own, sent by the kernel's timer.
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 3};
  event.sigev_notify_function = tick;
  timer_t timer;
  ticks = 0;
  EXPECT_NUMBER(0, timer_create(CLOCK_MONOTONIC, &event, &timer));
  const struct itimerspec when = {{0, 5000000}, {0, 5000000}};
  EXPECT_NUMBER(0, timer_settime(timer, 0, &when, NULL));
  for (int i = 0; i < 2000 && ticks < 9; i++) nanosleep(&(struct timespec){0, 5000000}, NULL);
  EXPECT(ticks >= 9 && ticks % 3 == 0);
  EXPECT_NUMBER(0, timer_delete(timer));
}

static volatile sig_atomic_t handled_on;
static void handle(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  handled_on = info->si_code == SI_TKILL ? gettid() : -1;
}
static void* wait_for_signal(void* id) {
  *(volatile pid_t*)id = gettid();
  while (handled_on == 0) nanosleep(&(struct timespec){0, 1000000}, NULL);
  return NULL;
}

CHECK(Signal, GoesToOneThread) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, NULL);
  volatile pid_t id = 0;
  handled_on = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, wait_for_signal, (void*)&id);
  while (id == 0) nanosleep(&(struct timespec){0, 1000000}, NULL);
  EXPECT_NUMBER(0, pthread_kill(thread, SIGUSR1));
  pthread_join(thread, NULL);
  EXPECT_NUMBER(id, handled_on);
}

static void* ask_user(void* go) {
  sem_wait(go);
  return (void*)(intptr_t)syscall(SYS_getuid);
}

CHECK(Credentials, ChangeInAllThreads) {
  if (getuid() != 0) return;
  // In a child: the change is for good.
  const pid_t child = fork();
  if (child == 0) {
    sem_t go;
    sem_init(&go, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, ask_user, &go);
    if (setuid(1234) != 0) _exit(1);
    sem_post(&go);
    void* user;
    pthread_join(thread, &user);
    _exit((intptr_t)user == 1234 ? 0 : 2);
  }
  int status = -1;
  EXPECT_NUMBER(child, waitpid(child, &status, 0));
  EXPECT_NUMBER(0, status);
}

CHECK(Spawn, WithActionsAndAttributes) {
  int ends[2];
  EXPECT_NUMBER(0, pipe(ends));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t mask;
  sigemptyset(&mask);
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  char* const arguments[] = {"again", "--gtest_filter=-Malloc.ManySizes", "--only-count", NULL};
  char* const environment[] = {NULL};
  pid_t child = -1;
  EXPECT_NUMBER(
      0, posix_spawn(&child, "/proc/self/exe", &actions, &attributes, arguments, environment));
  close(ends[1]);
  char text[64] = "";
  size_t size = 0;
  ssize_t got;
  while (size < sizeof text - 1 && (got = read(ends[0], text + size, sizeof text - 1 - size)) > 0)
    size += (size_t)got;
  EXPECT_NUMBER(0, strncmp(text, "counted ", 8));
  close(ends[0]);
  int status = -1;
  EXPECT_NUMBER(child, waitpid(child, &status, 0));
  EXPECT_NUMBER(0, status);
  EXPECT_NUMBER(ENOENT,
                posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, environment));
}

static int c11_thread(void* argument) {
  return *(int*)argument + 1;
}

CHECK(C11, ThreadsAndOnce) {
  thrd_t thread;
  int argument = 41, result = 0;
  EXPECT_NUMBER(thrd_success, thrd_create(&thread, c11_thread, &argument));
  EXPECT_NUMBER(thrd_success, thrd_join(thread, &result));
  EXPECT_NUMBER(42, result);
}

CHECK(Clock, SleepsAndCountsTime) {
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  EXPECT_NUMBER(0, clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 20000000}, NULL));
  clock_gettime(CLOCK_MONOTONIC, &after);
  EXPECT((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >=
         20000000);
  struct timespec used;
  clockid_t clock;
  EXPECT_NUMBER(0, clock_getcpuclockid(0, &clock));
  EXPECT_NUMBER(0, clock_gettime(clock, &used));
}
