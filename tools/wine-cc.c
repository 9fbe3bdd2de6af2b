/* A C compiler for Windows programs that run under Wine: hands its arguments to a program of the
 * host (RKEOPS_HOST_CC, a path as Windows sees it), which leaves what the compiler said in
 * host-cc.log and its exit code in host-cc.done. Wine starts programs of the host but does not wait
 * for them, so this does. File names have to be relative. */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int code_of_host(void) {
  int code = -1;
  FILE *done = fopen("host-cc.done", "r");
  if (done && fscanf(done, "%d", &code) != 1) code = -1;
  if (done) fclose(done);
  return code;
}

static void print_log(void) {
  FILE *log = fopen("host-cc.log", "r");
  for (int c; log && (c = getc(log)) != EOF;) putchar(c);
  if (log) fclose(log);
}

int main(int argc, char **argv) {
  static char line[32768];
  int code = -1;
  PROCESS_INFORMATION info;
  STARTUPINFOA startup = {.cb = sizeof startup};
  const char *host = getenv("RKEOPS_HOST_CC");
  if (!host) return 2;
  for (int k = 0; k < argc; k++)
    if (strlen(line) + strlen(argv[k]) + 4 < sizeof line)
      sprintf(line + strlen(line), "%s\"%s\"", k ? " " : "", k ? argv[k] : host);
  DeleteFileA("host-cc.done");
  if (!CreateProcessA(host, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &info)) return 3;
  while ((code = code_of_host()) < 0) Sleep(2);
  print_log();
  DeleteFileA("host-cc.done");
  DeleteFileA("host-cc.log");
  return code;
}
