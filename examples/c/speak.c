/* Speaks to a file, writes down what it said, and stops a long text after its first sentence.
 *
 *   cc speak.c -o speak $(pkg-config --cflags --libs mio)
 *   ./speak demo.mio "Good morning." morning.wav
 */
#include <mio.h>
#include <stdio.h>

/* Hears of each sentence as soon as it can be played; 0 stops the rest. */
static int first_sentence(const mio_event *event, void *user) {
  printf("sentence %d of %d: %.2f s\n", (int)event->index + 1, (int)event->count,
      (double)event->sample_count / event->sample_rate);
  ++*(int *)user;
  return 0;
}

static int say(const char *what, mio_call *call, mio_status status) {
  if (status != MIO_OK) fprintf(stderr, "%s: %s\n", what, mio_error(call));
  return status != MIO_OK;
}

static int run(mio_call *call, mio_model *model, mio_input *recording, const char *text, const char *path) {
  mio_output *speech = NULL, *words = NULL;
  int sentences = 0, failed;
  failed = say("speak", call, mio_speak(call, model, text, NULL, NULL, NULL, &speech)) ||
           say("save", call, mio_save(call, mio_output_event(speech, 0), path));
  mio_output_free(speech);
  if (failed) return 1;

  mio_input_add_file(recording, MIO_MEDIA_AUDIO, path);
  failed = say("transcribe", call, mio_transcribe(call, model, recording, NULL, NULL, &words));
  if (!failed && mio_output_count(words) > 0) printf("heard: %s\n", mio_output_event(words, 0)->text);
  mio_output_free(words);
  if (failed) return 1;

  text = "This is the first sentence. This is the second one. And this is the last of them all.";
  return mio_speak(call, model, text, NULL, first_sentence, &sentences, NULL) != MIO_CANCELLED || sentences != 1;
}

int main(int argc, char **argv) {
  mio_call *call = mio_call_new();
  mio_input *recording = mio_input_new();
  mio_model *model = NULL;
  int status = 2;
  if (argc != 4) {
    fprintf(stderr, "usage: speak MODEL TEXT FILE (libmio %s)\n", mio_version());
  } else {
    mio_set_int(call, MIO_OPTION_SEED, 1);
    status = say("open", call, mio_model_open(call, argv[1], &model)) || run(call, model, recording, argv[2], argv[3]);
  }
  mio_model_free(model);
  mio_input_free(recording);
  mio_call_free(call);
  return status;
}
