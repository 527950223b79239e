/* Answers texts with a SavedModel through TensorFlow's C API, as a server without Python does.
 *
 *     serve MODEL INPUT OUTPUT OP_LIBRARY...
 *
 * INPUT is the name of an operation that takes strings, OUTPUT that of one with an index,
 * "name:1", that gives floats. Each line of standard input is a request: "texts", or "rank2" or
 * "numbers" to send what the signature does not take, a tab, and texts between tabs. A line of
 * numbers, or "error: " and the message, answers each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

#define MAX_TEXTS 64

static void check(TF_Status* status, const char* what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

static TF_Tensor* strings(char** texts, int64_t count, int rank) {
  int64_t dims[] = {count, 1};
  TF_Tensor* tensor = TF_AllocateTensor(TF_STRING, dims, rank, count * sizeof(TF_TString));
  TF_TString* values = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    TF_StringInit(&values[i]);
    TF_StringCopy(&values[i], texts[i], strlen(texts[i]));
  }
  return tensor;
}

static TF_Tensor* numbers(int64_t count) {
  TF_Tensor* tensor = TF_AllocateTensor(TF_INT32, &count, 1, count * sizeof(int));
  memset(TF_TensorData(tensor), 0, count * sizeof(int));
  return tensor;
}

static void answer(TF_Session* session, TF_Output input, TF_Output output, char* line) {
  char* texts[MAX_TEXTS];
  int64_t count = 0;
  char* kind = strsep(&line, "\t");
  while (line != NULL && count < MAX_TEXTS) texts[count++] = strsep(&line, "\t");
  TF_Tensor* sent = strcmp(kind, "numbers") == 0
                        ? numbers(count)
                        : strings(texts, count, strcmp(kind, "rank2") == 0 ? 2 : 1);
  TF_Tensor* received = NULL;
  TF_Status* status = TF_NewStatus();
  TF_SessionRun(session, NULL, &input, &sent, 1, &output, &received, 1, NULL, 0, NULL, status);
  if (TF_GetCode(status) == TF_OK) {
    const float* values = TF_TensorData(received);
    for (int64_t i = 0; i < TF_TensorElementCount(received); ++i) printf("%.9g ", values[i]);
    printf("\n");
    TF_DeleteTensor(received);
  } else {
    char* message = strdup(TF_Message(status));
    printf("error: %s\n", strtok(message, "\n"));
    free(message);
  }
  TF_DeleteTensor(sent);
  TF_DeleteStatus(status);
}

int main(int argc, char** argv) {
  TF_Status* status = TF_NewStatus();
  for (int i = 4; i < argc; ++i) {
    TF_LoadLibrary(argv[i], status);
    check(status, argv[i]);
  }
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status, argv[1]);
  char* colon = strchr(argv[3], ':');
  *colon = '\0';
  TF_Output input = {TF_GraphOperationByName(graph, argv[2]), 0};
  TF_Output output = {TF_GraphOperationByName(graph, argv[3]), atoi(colon + 1)};
  if (input.oper == NULL || output.oper == NULL) return 2;

  char* line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) != -1) {
    line[strcspn(line, "\n")] = '\0';
    answer(session, input, output, line);
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  return 0;
}
