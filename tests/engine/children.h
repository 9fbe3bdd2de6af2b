/* Processes that a test starts. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a process ends: with its exit status, or with 1000 and the signal that killed it. */
static inline int status_of(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* What `work` gives, in a child. */
static inline int in_child(int (*work)(void *), void *data) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    int result = work(data);
    fflush(NULL);
    _exit(result);
  }
  return status_of(pid);
}

#endif
