/* Calls every function of the header, with what works and with what cannot: check DEMO-MODEL WHOLE-MODEL FOLDER.
 * The demo model speaks and listens; the whole model is a small one with random weights and all parts. */
#define _DEFAULT_SOURCE
#include <mio.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failures = 0;

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition, NULL))
#define OK(expression) expect(__LINE__, #expression, (expression), MIO_OK, call)
#define FAILS(expression, status) expect(__LINE__, #expression, (expression), status, call)

static void fail(int line, const char *what, const char *why) {
  fprintf(stderr, "check.c:%d: %s%s%s\n", line, what, why ? ": " : "", why ? why : "");
  failures++;
}

static void expect(int line, const char *what, mio_status status, mio_status wanted, mio_call *call) {
  char why[400];
  if (status == wanted) return;
  snprintf(why, sizeof why, "status %d instead of %d, %s", (int)status, (int)wanted, mio_error(call));
  fail(line, what, why);
}

static mio_call *new_call(void) {
  mio_call *call = mio_call_new();
  mio_set_int(call, MIO_OPTION_SEED, 1);
  return call;
}

static const mio_event *only(mio_output *output) {
  CHECK(mio_output_count(output) == 1);
  CHECK(mio_output_event(output, 1) == NULL);
  return mio_output_event(output, 0);
}

/* ---- What cannot work says so ---- */

static void nothing_crashes(void) {
  mio_call *call = new_call();
  mio_model *model = (mio_model *)&failures;
  mio_input *input = mio_input_new();
  mio_output *output = (mio_output *)&failures;
  const float sample = 0;
  const uint8_t pixel[3] = {0, 0, 0};
  const int32_t code = 0;
  CHECK(strncmp(mio_version(), "0.2.0", 5) == 0);
  FAILS(mio_model_open(call, "/nonexistent.mio", &model), MIO_INVALID_MODEL);
  CHECK(model == NULL && strstr(mio_error(call), "/nonexistent.mio") != NULL);
  FAILS(mio_model_open(call, NULL, &model), MIO_INVALID_INPUT);
  FAILS(mio_model_open(call, "", &model), MIO_INVALID_INPUT);
  FAILS(mio_model_open(call, "/", NULL), MIO_INVALID_INPUT);
  FAILS(mio_model_open(NULL, "/", &model), MIO_INVALID_INPUT);
  FAILS(mio_model_open_bytes(call, "no model", 8, &model), MIO_INVALID_MODEL);
  FAILS(mio_model_open_bytes(call, NULL, 8, &model), MIO_INVALID_INPUT);
  FAILS(mio_speak(call, NULL, "hello", NULL, NULL, NULL, &output), MIO_INVALID_INPUT);
  CHECK(output != NULL && mio_output_count(output) == 0);
  mio_output_free(output);
  FAILS(mio_speak(NULL, NULL, NULL, NULL, NULL, NULL, NULL), MIO_INVALID_INPUT);
  FAILS(mio_transcribe(call, NULL, NULL, NULL, NULL, NULL), MIO_INVALID_INPUT);
  FAILS(mio_respond(call, NULL, input, NULL, NULL, NULL), MIO_INVALID_INPUT);
  FAILS(mio_save(call, NULL, "x.wav"), MIO_INVALID_INPUT);
  FAILS(mio_set_int(call, MIO_OPTION_TEMPERATURE, 1), MIO_INVALID_INPUT);
  FAILS(mio_set_real(call, MIO_OPTION_SEED, 1), MIO_INVALID_INPUT);
  FAILS(mio_set_text(call, MIO_OPTION_SAMPLER, "\xff"), MIO_INVALID_INPUT);
  FAILS(mio_set_text(NULL, MIO_OPTION_SAMPLER, "plms"), MIO_INVALID_INPUT);
  OK(mio_set_text(call, MIO_OPTION_SAMPLER, NULL));
  CHECK(mio_input_add_text(input, "\xc3") == MIO_INVALID_INPUT);
  CHECK(mio_input_add_text(NULL, "a") == MIO_INVALID_INPUT);
  CHECK(mio_input_add_file(input, 9, "a") == MIO_INVALID_INPUT);
  CHECK(mio_input_add_audio(input, NULL, 1, 16000) == MIO_INVALID_INPUT);
  CHECK(mio_input_add_audio(input, &sample, 1, 0) == MIO_INVALID_INPUT);
  CHECK(mio_input_add_image(input, pixel, 0, 1) == MIO_INVALID_INPUT);
  CHECK(mio_input_add_image(input, NULL, 1, 1) == MIO_INVALID_INPUT);
  CHECK(mio_input_add_video(input, pixel, 1 << 30, 1 << 30, (size_t)1 << 40) == MIO_INVALID_INPUT);
  CHECK(mio_input_add_codes(input, &code, (size_t)1 << 62, 1 << 4) == MIO_INVALID_INPUT);
  CHECK(mio_model_int(NULL, MIO_MODEL_HAS_TEXT) == -1);
  CHECK(*mio_model_about(NULL) == 0 && mio_output_count(NULL) == 0 && mio_output_event(NULL, 0) == NULL);
  mio_call_free(NULL), mio_model_free(NULL), mio_input_free(NULL), mio_output_free(NULL), mio_session_free(NULL);
  mio_cancel(NULL);
  mio_input_free(input);
  mio_call_free(call);
}

/* ---- Speech ---- */

struct stream {
  int count, stops_at;
  size_t samples;
  mio_call *call;
  mio_model *model;
};

static int count_events(const mio_event *event, void *user) {
  struct stream *stream = user;
  CHECK(event->size == sizeof *event && event->kind == MIO_EVENT_AUDIO && event->index == stream->count);
  stream->samples += event->sample_count;
  return ++stream->count != stream->stops_at;
}

/* The call is in use; another one, and the model, are not. */
static int call_from_callback(const mio_event *event, void *user) {
  struct stream *stream = user;
  mio_call *call = new_call();
  (void)event;
  FAILS(mio_tokenize(stream->call, stream->model, "a", NULL, NULL, NULL), MIO_BUSY);
  OK(mio_tokenize(call, stream->model, "a", NULL, NULL, NULL));
  mio_call_free(call);
  stream->count++;
  return 1;
}

static const char *three = "This is the first one. This is the second one. And this is the last of them.";

static void speech(mio_model *model, const char *folder) {
  mio_call *call = new_call();
  mio_output *output = NULL, *again = NULL, *words = NULL;
  const mio_event *event;
  struct stream stream = {0, 0, 0, NULL, NULL};
  mio_input *input = mio_input_new();
  char path[500];

  CHECK(mio_model_int(model, MIO_MODEL_HAS_SPEECH) == 1 && mio_model_int(model, MIO_MODEL_CAN_DRAW) == 0);
  CHECK(mio_model_int(model, MIO_MODEL_SAMPLE_RATE) == 16000 && mio_model_int(model, 99) == -1);
  CHECK(*mio_model_about(model) != 0);

  OK(mio_speak(call, model, "Good morning.", NULL, NULL, NULL, &output));
  event = only(output);
  CHECK(event->kind == MIO_EVENT_AUDIO && event->sample_rate == 16000 && event->sample_count > 4000);
  CHECK(event->codebooks > 0 && event->code_count > 0 && event->codes != NULL);
  CHECK(strstr(event->text, "morning") != NULL);
  OK(mio_speak(call, model, "Good morning.", NULL, NULL, NULL, &again));
  CHECK(only(again)->sample_count == event->sample_count);
  CHECK(memcmp(only(again)->samples, event->samples, event->sample_count * sizeof(float)) == 0);

  OK(mio_set_real(call, MIO_OPTION_SPEED, 2));
  mio_output_free(again);
  OK(mio_speak(call, model, "Good morning.", NULL, NULL, NULL, &again));
  CHECK(only(again)->sample_count == event->sample_count / 2);
  OK(mio_set_real(call, MIO_OPTION_SPEED, 9));
  FAILS(mio_speak(call, model, "Good morning.", NULL, NULL, NULL, NULL), MIO_INVALID_INPUT);
  OK(mio_set_real(call, MIO_OPTION_SPEED, 1));

  snprintf(path, sizeof path, "%s/check.wav", folder);
  OK(mio_save(call, event, path));
  snprintf(path, sizeof path, "%s/check.xyz", folder);
  FAILS(mio_save(call, event, path), MIO_INVALID_INPUT);
  CHECK(strstr(mio_error(call), "check.xyz") != NULL);
  snprintf(path, sizeof path, "%s/check.wav", folder);
  OK(mio_input_add_file(input, MIO_MEDIA_AUDIO, path));
  OK(mio_transcribe(call, model, input, NULL, NULL, &words));
  CHECK(strstr(only(words)->text, "good morning") != NULL && only(words)->end > 0);
  mio_output_free(words);
  mio_input_free(input);
  input = mio_input_new();
  mio_input_add_audio(input, event->samples, event->sample_count, event->sample_rate);
  OK(mio_transcribe(call, model, input, NULL, NULL, &words));
  CHECK(strstr(only(words)->text, "good morning") != NULL);
  mio_output_free(words);

  /* Codes, there and back. */
  mio_set_int(call, MIO_OPTION_CODEBOOKS, mio_model_int(model, MIO_MODEL_CODEBOOKS));
  mio_output_free(again);
  OK(mio_encode(call, model, input, NULL, NULL, &again));
  CHECK(only(again)->kind == MIO_EVENT_CODES && (int)only(again)->codebooks == mio_model_int(model, MIO_MODEL_CODEBOOKS));
  mio_input_free(input);
  input = mio_input_new();
  OK(mio_input_add_codes(input, only(again)->codes, only(again)->codebooks, only(again)->code_count));
  OK(mio_decode(call, model, input, NULL, NULL, &words));
  CHECK(only(words)->kind == MIO_EVENT_AUDIO && only(words)->sample_count >= event->sample_count / 2);
  mio_output_free(words);
  mio_output_free(again);

  /* Another voice: a recording, and what is said in it. */
  mio_input_free(input);
  input = mio_input_new();
  mio_input_add_audio(input, event->samples, event->sample_count, event->sample_rate);
  mio_input_add_text(input, "good morning");
  OK(mio_speak(call, model, "Good night.", input, NULL, NULL, &again));
  CHECK(only(again)->sample_count > 0);
  mio_output_free(again);
  mio_output_free(output);

  /* Streams give what the whole has. */
  OK(mio_speak(call, model, three, NULL, count_events, &stream, &output));
  CHECK(stream.count == 3 && stream.samples == only(output)->sample_count);
  mio_output_free(output);
  stream.count = 0, stream.stops_at = 1;
  FAILS(mio_speak(call, model, three, NULL, count_events, &stream, &output), MIO_CANCELLED);
  CHECK(stream.count == 1 && mio_output_count(output) == 1);
  mio_output_free(output);
  stream.count = 0, stream.call = call, stream.model = model;
  OK(mio_speak(call, model, "Hello.", NULL, call_from_callback, &stream, NULL));
  CHECK(stream.count == 1);

  FAILS(mio_draw(call, model, "a house", NULL, NULL, &output), MIO_UNSUPPORTED);
  mio_output_free(output);
  FAILS(mio_speak(call, model, "...", NULL, NULL, NULL, NULL), MIO_INVALID_INPUT);
  mio_set_int(call, MIO_OPTION_BEAMS, -1);
  FAILS(mio_speak(call, model, "Hello.", NULL, NULL, NULL, NULL), MIO_INVALID_INPUT);
  mio_input_free(input);
  mio_call_free(call);
}

/* ---- Stopping, and many threads ---- */

static void *stop_soon(void *call) {
  struct timespec pause = {0, 30 * 1000 * 1000};
  nanosleep(&pause, NULL);
  mio_cancel(call);
  return NULL;
}

static void cancellation(mio_model *model) {
  mio_call *call = new_call();
  mio_output *output = NULL;
  pthread_t thread;
  char text[20000] = "";
  int sentence;
  for (sentence = 0; sentence < 400; sentence++) strcat(text, "This is a very long text. ");
  pthread_create(&thread, NULL, stop_soon, call);
  FAILS(mio_speak(call, model, text, NULL, NULL, NULL, &output), MIO_CANCELLED);
  pthread_join(thread, NULL);
  FAILS(mio_speak(call, model, "Hello.", NULL, NULL, NULL, NULL), MIO_CANCELLED);
  mio_output_free(output);
  mio_call_free(call);
  call = new_call();
  mio_cancel(call);
  FAILS(mio_speak(call, model, "Hello.", NULL, NULL, NULL, NULL), MIO_CANCELLED);
  mio_call_free(call);
}

static void *speak_seed(void *argument) {
  mio_model *model = argument;
  mio_call *call = new_call();
  mio_output *output = NULL;
  OK(mio_speak(call, model, "Good morning.", NULL, NULL, NULL, &output));
  mio_call_free(call);
  return output;
}

static void many_threads(mio_model *model) {
  pthread_t threads[6];
  mio_output *outputs[6];
  int index;
  for (index = 0; index < 6; index++) pthread_create(&threads[index], NULL, speak_seed, model);
  for (index = 0; index < 6; index++) {
    void *output = NULL;
    pthread_join(threads[index], &output);
    outputs[index] = output;
  }
  for (index = 0; index < 6; index++) {
    const mio_event *first = only(outputs[0]), *event = only(outputs[index]);
    CHECK(event->sample_count == first->sample_count);
    CHECK(memcmp(event->samples, first->samples, first->sample_count * sizeof(float)) == 0);
  }
  for (index = 0; index < 6; index++) mio_output_free(outputs[index]);
}

/* ---- Memory ---- */

static size_t bytes_in_use(void) {
  struct timespec pause = {0, 200 * 1000 * 1000};
  nanosleep(&pause, NULL); /* threads of finished work end */
  return mallinfo2().uordblks;
}

static void use_everything_once(mio_model *model) {
  mio_call *call = new_call();
  mio_output *output = NULL;
  mio_input *input = mio_input_new();
  mio_input_add_text(input, "words");
  mio_set_text(call, MIO_OPTION_INSTRUCTIONS, "words");
  OK(mio_tokenize(call, model, "Hello, world", NULL, NULL, &output));
  mio_output_free(output);
  OK(mio_speak(call, model, "Hi.", NULL, NULL, NULL, &output));
  mio_output_free(output);
  FAILS(mio_speak(call, model, "", NULL, NULL, NULL, NULL), MIO_INVALID_INPUT);
  mio_input_free(input);
  mio_call_free(call);
}

static void no_leaks(mio_model *model) {
  size_t before;
  int times;
  for (times = 0; times < 5; times++) use_everything_once(model);
  before = bytes_in_use();
  for (times = 0; times < 20; times++) use_everything_once(model);
  /* libdispatch keeps some dozens of bytes per call for later ones, up to a bound; a sound has 20 kB. */
  CHECK(bytes_in_use() < before + 100 * 1000);
}

/* ---- Words and images ---- */

static int sees_progress(const mio_event *event, void *user) {
  if (event->kind == MIO_EVENT_PROGRESS) {
    CHECK(event->fraction >= 0 && event->fraction <= 1 && event->text != NULL);
    ++*(int *)user;
  }
  return 1;
}

static void images(mio_model *model, const char *folder) {
  mio_call *call = new_call();
  mio_output *output = NULL, *codes = NULL, *again = NULL;
  mio_input *input = mio_input_new();
  const mio_event *event;
  uint8_t *pixels = calloc(3 * 40, 30);
  int steps = 0, index;
  char path[500];
  for (index = 0; index < 3 * 40 * 30; index++) pixels[index] = (uint8_t)(index * 7);
  CHECK(mio_model_int(model, MIO_MODEL_CAN_SEE) == 1 && mio_model_int(model, MIO_MODEL_CAN_DRAW) == 1);
  mio_set_int(call, MIO_OPTION_STEPS, 4);
  mio_set_text(call, MIO_OPTION_SAMPLER, "unipc");
  OK(mio_draw(call, model, "a lighthouse", sees_progress, &steps, &output));
  event = only(output);
  CHECK(event->kind == MIO_EVENT_IMAGE && event->rgb != NULL && event->width > 0 && event->code_count == 32 && steps > 0);
  snprintf(path, sizeof path, "%s/check.png", folder);
  OK(mio_save(call, event, path));

  /* The codes of the drawing, drawn again: the same image. */
  OK(mio_input_add_codes(input, event->codes, 0, event->code_count));
  steps = 0;
  OK(mio_decode(call, model, input, sees_progress, &steps, &again));
  CHECK(steps > 0 && only(again)->width == event->width);
  CHECK(memcmp(only(again)->rgb, event->rgb, (size_t)3 * event->width * event->height) == 0);
  mio_output_free(again);
  mio_input_free(input);

  input = mio_input_new();
  OK(mio_input_add_image(input, pixels, 40, 30));
  OK(mio_encode(call, model, input, NULL, NULL, &codes));
  CHECK(only(codes)->codebooks == 0 && only(codes)->code_count == 32);
  mio_output_free(codes);
  OK(mio_edit(call, model, input, "make it night", NULL, NULL, &again));
  CHECK(only(again)->kind == MIO_EVENT_IMAGE);
  mio_output_free(again);
  mio_set_int(call, MIO_OPTION_MAX_TOKENS, 12);
  mio_set_int(call, MIO_OPTION_GREEDY, 1);
  OK(mio_perform(call, model, "image-caption", input, NULL, NULL, &again));
  mio_output_free(again);
  FAILS(mio_perform(call, model, "flying", input, NULL, NULL, NULL), MIO_INVALID_INPUT);
  mio_set_text(call, MIO_OPTION_SAMPLER, "magic");
  FAILS(mio_draw(call, model, "a lighthouse", NULL, NULL, NULL), MIO_INVALID_INPUT);
  CHECK(strstr(mio_error(call), "unipc") != NULL);
  mio_output_free(output);
  mio_input_free(input);
  mio_call_free(call);
  free(pixels);
}

static void tokens(mio_model *model) {
  mio_call *call = new_call();
  mio_output *ids = NULL, *output = NULL;
  int32_t wrong = -1;
  OK(mio_tokenize(call, model, "Hello, world", NULL, NULL, &ids));
  CHECK(only(ids)->kind == MIO_EVENT_TOKENS && only(ids)->code_count > 1);
  OK(mio_detokenize(call, model, only(ids)->codes, only(ids)->code_count, NULL, NULL, &output));
  CHECK(strstr(only(output)->text, "Hello, world") != NULL);
  mio_output_free(output);
  mio_set_int(call, MIO_OPTION_MAX_TOKENS, 8);
  mio_set_int(call, MIO_OPTION_GREEDY, 1);
  OK(mio_generate(call, model, only(ids)->codes, only(ids)->code_count, NULL, NULL, &output));
  CHECK(mio_output_count(output) <= 1);
  mio_output_free(output);
  FAILS(mio_detokenize(call, model, &wrong, 1, NULL, NULL, NULL), MIO_INVALID_INPUT);
  mio_output_free(ids);
  mio_call_free(call);
}

static void conversation(mio_model *model) {
  mio_call *call = new_call();
  mio_session *session = NULL, *other = NULL;
  mio_input *turn = mio_input_new();
  mio_output *reply = NULL, *snapshot = NULL;
  float sound[8000];
  uint8_t pixels[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9};
  int index;
  for (index = 0; index < 8000; index++) sound[index] = 0.3f * (float)sin(index * 0.1) * (float)sin(index * 0.002);
  mio_set_int(call, MIO_OPTION_MAX_TOKENS, 12);
  mio_set_int(call, MIO_OPTION_DRAWS, 0);
  mio_set_int(call, MIO_OPTION_GREEDY, 1);
  OK(mio_session_new(call, model, &session));
  OK(mio_input_add_text(turn, "What do you see and hear?"));
  OK(mio_input_add_audio(turn, sound, 8000, 8000));
  OK(mio_input_add_image(turn, pixels, 2, 2));
  OK(mio_input_add_video(turn, pixels, 1, 2, 2));
  OK(mio_respond(call, session, turn, NULL, NULL, &reply));
  OK(mio_session_snapshot(call, session, NULL, NULL, &snapshot));
  OK(mio_set_text(call, MIO_OPTION_SNAPSHOT, only(snapshot)->text));
  OK(mio_session_new(call, model, &other));
  OK(mio_set_text(call, MIO_OPTION_SNAPSHOT, "{}"));
  mio_session_free(other);
  FAILS(mio_session_new(call, model, &other), MIO_INVALID_INPUT);
  CHECK(other == NULL);
  mio_output_free(reply);
  mio_output_free(snapshot);
  mio_input_free(turn);
  mio_session_free(session);
  mio_call_free(call);
}

static mio_model *open_bytes(mio_call *call, const char *path) {
  FILE *file = fopen(path, "rb");
  mio_model *model = NULL;
  long size;
  void *bytes;
  fseek(file, 0, SEEK_END);
  size = ftell(file);
  rewind(file);
  bytes = malloc((size_t)size);
  if (fread(bytes, 1, (size_t)size, file) != (size_t)size) perror(path);
  fclose(file);
  OK(mio_model_open_bytes(call, bytes, (size_t)size, &model));
  free(bytes);
  return model;
}

int main(int argc, char **argv) {
  mio_call *call = mio_call_new();
  mio_model *demo = NULL, *whole = NULL;
  if (argc != 4) return 2;
  nothing_crashes();
  OK(mio_set_int(call, MIO_OPTION_THREADS, 2));
  OK(mio_model_open(call, argv[1], &demo));
  speech(demo, argv[3]);
  cancellation(demo);
  many_threads(demo);
  no_leaks(demo);
  mio_model_free(demo);
  whole = open_bytes(call, argv[2]);
  images(whole, argv[3]);
  tokens(whole);
  conversation(whole);
  mio_model_free(whole);
  mio_call_free(call);
  printf("%d failures\n", failures);
  return failures != 0;
}
