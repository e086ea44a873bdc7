/* A plugin for qemu-arm (7.2 and later) that counts the instructions a program executes, in all its threads: one line on stderr at the end. Debian ships
 * neither its libinsn.so nor the header, so that what it needs of qemu's plugin interface (version 1) is declared here. */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void (*tb_translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*at_exit)(qemu_plugin_id_t id, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translated call);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
/* op 0: adds `value` to *counter each time the block runs. */
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter, uint64_t value);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, at_exit call, void *data);

int qemu_plugin_version = 1;
static uint64_t instructions;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &instructions, qemu_plugin_tb_n_insns(tb));
}

static void end(qemu_plugin_id_t id, void *data) {
  (void)id;
  (void)data;
  char line[64];
  const int length = snprintf(line, sizeof line, "instructions %llu\n", (unsigned long long)instructions);
  if (write(STDERR_FILENO, line, (size_t)length) != length) _exit(3);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
  (void)info;
  (void)argc;
  (void)argv;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, end, NULL);
  return 0;
}
