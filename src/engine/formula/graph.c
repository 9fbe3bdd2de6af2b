/* The graph: an arena, the unique nodes and the variables. See graph.h. */
#include "formula/graph.h"
#include "formula/operations.h"
#include "formula/reductions.h"

#include <stdlib.h>
#include <string.h>

typedef struct rk_block {
  struct rk_block *next;
  size_t used, size;
  max_align_t bytes[];
} rk_block;

struct rk_graph {
  rk_block *blocks;
  rk_node **nodes;
  int size, capacity;
  int *table;             /* hash table of node numbers + 1, twice as large as the capacity */
  rk_graph_variable *variables;
  int variable_count, variable_capacity;
};

rk_graph *rk_graph_new(void) { return calloc(1, sizeof(rk_graph)); }

void rk_graph_free(rk_graph *graph) {
  if (!graph) return;
  while (graph->blocks) {
    rk_block *next = graph->blocks->next;
    free(graph->blocks);
    graph->blocks = next;
  }
  free(graph->nodes);
  free(graph->table);
  free(graph->variables);
  free(graph);
}

void *rk_graph_alloc(rk_graph *graph, size_t bytes) {
  const size_t unit = sizeof(max_align_t);
  bytes = (bytes + unit - 1) / unit * unit;
  rk_block *block = graph->blocks;
  if (!block || block->size - block->used < bytes) {
    size_t size = bytes > 8192 ? bytes : 8192;
    block = calloc(1, sizeof *block + size);
    if (!block) return NULL;
    block->size = size;
    block->next = graph->blocks;
    graph->blocks = block;
  }
  void *result = (char *)block->bytes + block->used;
  block->used += bytes;
  return result;
}

char *rk_graph_copy_text(rk_graph *graph, const char *text, size_t length) {
  char *copy = rk_graph_alloc(graph, length + 1);
  if (copy) memcpy(copy, text, length);
  return copy;
}

int rk_graph_size(const rk_graph *graph) { return graph->size; }
const rk_node *rk_graph_node(const rk_graph *graph, int number) { return graph->nodes[number]; }
int rk_graph_variables(const rk_graph *graph) { return graph->variable_count; }
rk_graph_variable *rk_graph_variable_at(rk_graph *graph, int k) { return &graph->variables[k]; }

int rk_graph_add_variable(rk_graph *graph, const rk_graph_variable *variable) {
  if (graph->variable_count == graph->variable_capacity) {
    int capacity = graph->variable_capacity ? 2 * graph->variable_capacity : 16;
    rk_graph_variable *larger =
        realloc(graph->variables, (size_t)capacity * sizeof *graph->variables);
    if (!larger) return -1;
    graph->variables = larger;
    graph->variable_capacity = capacity;
  }
  graph->variables[graph->variable_count] = *variable;
  return graph->variable_count++;
}

static size_t mix(size_t hash, size_t value) {
  return (hash ^ value) * (size_t)0x9E3779B97F4A7C15u;
}

static size_t node_hash(const rk_node *node) {
  size_t hash = mix((size_t)node->variable + 1, (size_t)(uintptr_t)node->operation);
  hash = mix(hash, (size_t)(uintptr_t)node->reduction);
  for (int k = 0; k < node->operands; k++) hash = mix(hash, (size_t)node->operand[k]->number + 7);
  for (int k = 0; k < node->integers; k++) hash = mix(hash, (size_t)node->integer[k] + 77);
  uint64_t bits;
  memcpy(&bits, &node->value, sizeof bits);
  hash = mix(hash, (size_t)bits);
  return hash ^ (hash >> 29);
}

static int node_equal(const rk_node *a, const rk_node *b) {
  if (a->operation != b->operation || a->reduction != b->reduction ||
      a->operands != b->operands || a->integers != b->integers || a->variable != b->variable ||
      a->dim != b->dim || memcmp(&a->value, &b->value, sizeof a->value))
    return 0;
  for (int k = 0; k < a->operands; k++)
    if (a->operand[k] != b->operand[k]) return 0;
  return !memcmp(a->integer, b->integer, (size_t)a->integers * sizeof *a->integer);
}

/* The place of the node in the table: where it is, or where it would be. */
static size_t place_of(const rk_graph *graph, const rk_node *node) {
  size_t mask = 2 * (size_t)graph->capacity - 1;
  size_t place = node_hash(node) & mask;
  while (graph->table[place] && !node_equal(graph->nodes[graph->table[place] - 1], node))
    place = (place + 1) & mask;
  return place;
}

static int grow(rk_graph *graph) {
  int capacity = graph->capacity ? 2 * graph->capacity : 64;
  rk_node **nodes = realloc(graph->nodes, (size_t)capacity * sizeof *nodes);
  if (!nodes) return 0;
  graph->nodes = nodes;
  int *table = calloc(2 * (size_t)capacity, sizeof *table);
  if (!table) return 0;
  free(graph->table);
  graph->table = table;
  graph->capacity = capacity;
  for (int k = 0; k < graph->size; k++) table[place_of(graph, nodes[k])] = k + 1;
  return 1;
}

const rk_node *rk_graph_find(const rk_graph *graph, const rk_node *wanted) {
  int found = graph->capacity ? graph->table[place_of(graph, wanted)] : 0;
  return found ? graph->nodes[found - 1] : NULL;
}

const rk_node *rk_graph_intern(rk_graph *graph, const rk_node *wanted) {
  if (graph->size == graph->capacity && !grow(graph)) return NULL;
  size_t place = place_of(graph, wanted);
  if (graph->table[place]) return graph->nodes[graph->table[place] - 1];
  rk_node *node = rk_graph_alloc(graph, sizeof *node);
  if (!node) return NULL;
  *node = *wanted;
  node->number = graph->size;
  graph->nodes[graph->size++] = node;
  graph->table[place] = graph->size;
  return node;
}

int rk_is_of_group(const rk_graph_variable *a, const rk_graph_variable *b) {
  if (a->origin != b->origin || a->members != b->members) return 0;
  for (int k = 0; k < a->members; k++)
    if (a->member[k] != b->member[k]) return 0;
  return 1;
}

const rk_node *rk_variable_node(rk_graph *graph, int variable) {
  const rk_graph_variable *v = &graph->variables[variable];
  rk_node node = {.operation = &rk_operation_variable, .variable = variable, .dim = v->dim,
                  .level = rk_level_of_kind(v->kind)};
  return rk_graph_intern(graph, &node);
}

const rk_node *rk_number(rk_graph *graph, double value) {
  rk_node node = {.operation = &rk_operation_number, .value = value, .dim = 1};
  return rk_graph_intern(graph, &node);
}

int rk_is_number(const rk_node *node, double value) {
  return node->operation == &rk_operation_number && node->value == value;
}

static void print_variable(const rk_graph *graph, const rk_node *node, rk_text *text) {
  static const char *const kind[] = {"Vi", "Vj", "Pm"};
  static const char *const origin[] = {"input", "number", "centre", "rank", "pass",
                                       "position", "direction"};
  const rk_graph_variable *v = &graph->variables[node->variable];
  rk_text_format(text, "%s %s %d", kind[v->kind], origin[v->origin], v->source);
}

static void print_node(const rk_graph *graph, const rk_node *node, const int *name, rk_text *text) {
  char number[RK_NUMBER_TEXT];
  rk_text_format(text, "%d:%d%s = ", name[node->number], node->dim, node->is_logical ? "?" : "");
  if (node->reduction) rk_text_format(text, "%s_Reduction", rk_reduction_name(node->reduction));
  else if (node->operation == &rk_operation_variable) print_variable(graph, node, text);
  else if (node->operation == &rk_operation_number)
    rk_text_add(text, rk_number_text(number, "%.17g", node->value));
  else rk_text_add(text, node->operation->name);
  for (int k = 0; k < node->operands; k++)
    rk_text_format(text, " #%d", name[node->operand[k]->number]);
  for (int k = 0; k < node->integers; k++) rk_text_format(text, " %d", node->integer[k]);
  rk_text_add(text, "\n");
}

unsigned char *rk_graph_needed(const rk_graph *graph, const rk_node *const *root, int roots) {
  unsigned char *needed = calloc((size_t)graph->size + 1, 1);
  for (int r = 0; needed && r < roots; r++) needed[root[r]->number] = 1;
  for (int k = graph->size - 1; needed && k >= 0; k--)
    for (int o = 0; needed[k] && o < graph->nodes[k]->operands; o++)
      needed[graph->nodes[k]->operand[o]->number] = 1;
  return needed;
}

rk_status rk_graph_print(const rk_graph *graph, const rk_node *const *root, int roots,
                         rk_text *text) {
  int *name = calloc((size_t)graph->size + 1, sizeof *name);
  unsigned char *needed = rk_graph_needed(graph, root, roots);
  for (int k = 0, next = 1; name && needed && k < graph->size; k++)
    if (needed[k]) {
      name[k] = next++;
      print_node(graph, graph->nodes[k], name, text);
    }
  for (int r = 0; name && needed && r < roots; r++)
    rk_text_format(text, "result #%d\n", name[root[r]->number]);
  int failed = !name || !needed || text->failed;
  free(name);
  free(needed);
  return failed ? RK_ERROR_MEMORY : RK_OK;
}
