/*
 * libmio: models that read and write text, speech and images, for C and for whatever can call C.
 *
 *   mio_call *call = mio_call_new();
 *   mio_model *model = NULL;
 *   if (mio_model_open(call, "mio.mio", &model)) puts(mio_error(call));
 *
 * RULES
 *
 * Strings are UTF-8 and end with a zero byte; names of files are the bytes of the system. What a function is given stays the
 * caller's and is copied where it is kept. What it gives is owned as its description says; `..._new` and `..._open` are undone
 * by
 * `..._free`, and every `..._free` takes NULL.
 *
 * A `mio_model` and a `mio_session` may be used by any number of threads at once. A `mio_call`, `mio_input` or `mio_output` is
 * used by one thread at a time; `mio_cancel` alone may come from any thread at any time. Callbacks run on the thread that
 * called. They may call this library, with another `mio_call`.
 *
 * Functions with a status return MIO_OK, which is 0, or what went wrong; `mio_error` has the sentence for people. The library
 * prints nothing, ends nothing, and keeps no state outside of its handles. Of the environment it reads PATH, TMPDIR, and
 * MIO_ISA and MIO_STREAMING, which choose among kernels of equal results. It starts threads, so do not use it in a child of
 * `fork` that was made after its first use. Videos, and sound in containers such as m4a, are read by the program `ffmpeg`.
 *
 * The same model, words, options and seed give the same bytes, for any number of threads.
 *
 * Functions, options, and fields at the end of `mio_event` may be added. What is here stays as long as the library is
 * libmio.so.0.
 */
#ifndef MIO_H
#define MIO_H

#include <stddef.h>
#include <stdint.h>

#define MIO_VERSION_MAJOR 0
#define MIO_VERSION_MINOR 2
#define MIO_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* What a function did. Treat numbers that are not here like MIO_FAILED. */
typedef int32_t mio_status;
enum {
  MIO_OK = 0,
  MIO_INVALID_INPUT = 1, /* a text, sound, image, option or list that cannot be used */
  MIO_INVALID_MODEL = 2, /* the model file is damaged, of another version, or no model file */
  MIO_UNSUPPORTED = 3,   /* the model lacks what is asked for, a speech codec for instance */
  MIO_CONTEXT_FULL = 4,  /* the prompt and the reply do not fit the context */
  MIO_CACHE_FULL = 5,    /* what may be needed does not fit the memory for keys and values */
  MIO_FAILED = 6,        /* reading, writing or the machine failed */
  MIO_CANCELLED = 7,     /* stopped by `mio_cancel`, or by a callback that returned 0 */
  MIO_BUSY = 8           /* the call is in use, by another thread or by the callback's caller */
};

/* The version of the library, such as "0.2.0". The string is the library's and stays. */
const char *mio_version(void);

/* ---- Calls ----
 * A call carries options in, and the sentence about an error out. It can be used for one piece of work after the other, with
 * the same options; one that was cancelled stays so: make another. */

typedef struct mio_call mio_call;

/* Options; the number says of which kind it is. Those that are not set follow the model and the task. */
typedef int32_t mio_option;
enum {
  /* Whole numbers, by `mio_set_int`. Switches are 0 or 1. */
  MIO_OPTION_THREADS = 1,     /* opening: threads of all calls; otherwise the physical cores that may be used */
  MIO_OPTION_CONTEXT = 2,     /* opening: most tokens of prompt and reply */
  MIO_OPTION_CACHE_BYTES = 3, /* opening: most bytes of keys and values of all calls together */
  MIO_OPTION_MEASURE = 4,     /* opening: choose kernels by what is kept in the user's cache folder, or measure them (0) */
  MIO_OPTION_SEED = 10,       /* of every random draw, all 64 bits; otherwise each call draws one */
  MIO_OPTION_GREEDY = 11,     /* take the most probable token */
  MIO_OPTION_TOP_K = 12,      /* draw among the k most probable tokens */
  MIO_OPTION_BEAMS = 13,      /* sequences of beam search */
  MIO_OPTION_MAX_TOKENS = 14, /* most tokens to generate */
  MIO_OPTION_GRAMMAR = 15,    /* mio_generate: keep speech and images decodable (1) */
  MIO_OPTION_CANDIDATES = 20, /* mio_speak: readings of each segment, of which the best is kept */
  MIO_OPTION_SEGMENTS_AT_ONCE = 21, /* mio_speak, mio_transcribe: segments, or windows, that run in one batch */
  MIO_OPTION_NORMALIZE = 22,        /* mio_speak: write numbers, dates and units out */
  MIO_OPTION_CODEBOOKS = 23,        /* mio_encode: of speech, 1 (content) to all (with timbre) (1) */
  MIO_OPTION_STEPS = 30,            /* images: from noise to image (20) */
  MIO_OPTION_IMAGE_SIZE = 31,       /* images: rows and columns in pixels */
  MIO_OPTION_REUSE = 32,            /* images: evaluations for which the inner network is evaluated once (1) */
  MIO_OPTION_DRAWS = 33,            /* images of replies are drawn, or stay codes (1) */
  MIO_OPTION_MAX_IMAGES = 34,       /* mio_perform: most images of a reply */
  MIO_OPTION_MAX_FRAMES = 35,       /* mio_perform: most frames seen of a video (20) */
  MIO_OPTION_SPEAKS = 40,           /* mio_session_new: answer with speech only (0) */
  MIO_OPTION_SPECIAL_TOKENS = 41,   /* mio_tokenize: strings such as "<spch12>" are tokens; never for text of users (0) */
  MIO_OPTION_ENDS = 42,             /* mio_tokenize: add the tokens that begin and end a text (1) */

  /* Numbers, by `mio_set_real`. */
  MIO_OPTION_TEMPERATURE = 100,
  MIO_OPTION_TOP_P = 101,
  MIO_OPTION_REPETITION_PENALTY = 102,
  MIO_OPTION_LENGTH_PENALTY = 103,
  MIO_OPTION_GUIDANCE = 104, /* images: how much the codes count (10) */
  MIO_OPTION_SPEED = 105,    /* mio_speak: how many times as fast, 0.25 to 4; the pitch stays (1) */

  /* Texts, by `mio_set_text`; NULL takes an option back. */
  MIO_OPTION_CACHE_FORMAT = 200, /* opening: "int8" (default), "f16", "f32" */
  MIO_OPTION_PROMPT_STYLE = 201, /* opening: "automatic" (default), "instruct", "base" */
  MIO_OPTION_SAMPLER = 202,      /* images: "plms" (default), "dpm++2m", "unipc" */
  MIO_OPTION_INSTRUCTIONS = 203, /* mio_session_new: the system's words; special tokens in them count */
  MIO_OPTION_SNAPSHOT = 204      /* mio_session_new: what mio_session_snapshot gave; the session goes on from there */
};

/* A new call without options; NULL only without memory. */
mio_call *mio_call_new(void);
void mio_call_free(mio_call *call);

/* MIO_INVALID_INPUT for an option that is not of the kind. Whether a value can be used is told by what uses it. */
mio_status mio_set_int(mio_call *call, mio_option option, int64_t value);
mio_status mio_set_real(mio_call *call, mio_option option, double value);
mio_status mio_set_text(mio_call *call, mio_option option, const char *text);

/* Stops what the call is doing at its next step, and all that it would do; from any thread, also before it begins. */
void mio_cancel(mio_call *call);

/* What went wrong last with this call: what happened, where, and what to do; "" if nothing did. The string is the call's, until
 * its next use. */
const char *mio_error(const mio_call *call);

/* ---- Models ---- */

typedef struct mio_model mio_model;

/* What can be asked about a model; switches are 0 or 1. */
typedef int32_t mio_property;
enum {
  MIO_MODEL_HAS_TEXT = 1,    /* reads and writes */
  MIO_MODEL_HAS_SPEECH = 2,  /* hears and speaks */
  MIO_MODEL_CAN_SEE = 3,     /* looks at images */
  MIO_MODEL_CAN_DRAW = 4,    /* makes images */
  MIO_MODEL_TAKES_TURNS = 5, /* has conversations; other models continue texts */
  MIO_MODEL_SAMPLE_RATE = 6, /* samples per second of its speech; 0 without speech */
  MIO_MODEL_CODEBOOKS = 7,   /* of its speech codec; 0 without one */
  MIO_MODEL_VOCABULARY = 8   /* token ids are below this; 0 without a tokenizer */
};

/* Opens a model file, in milliseconds, whatever its size: its weights are read where they lie. The model is the caller's. */
mio_status mio_model_open(mio_call *call, const char *path, mio_model **model);
/* The same for the bytes of a file, which are copied. */
mio_status mio_model_open_bytes(mio_call *call, const void *bytes, size_t count, mio_model **model);
/* Sessions of the model, and calls under way, keep what they need of it. */
void mio_model_free(mio_model *model);
/* -1 for a property that this version does not know. */
int64_t mio_model_int(const mio_model *model, mio_property property);
/* What the file says about itself, "" if nothing. The string is the model's. */
const char *mio_model_about(const mio_model *model);

/* ---- What a model is given ----
 * Words and media, in their order. Adding copies what is handed over; files are read later, by what uses them. Statuses are
 * MIO_OK or MIO_INVALID_INPUT: NULL, an impossible size, text that is not UTF-8. */

typedef struct mio_input mio_input;

/* Kinds of files. */
typedef int32_t mio_media;
enum {
  MIO_MEDIA_AUDIO = 1, /* any format that libsndfile reads, and others by ffmpeg */
  MIO_MEDIA_IMAGE = 2, /* png, jpg, webp, gif, bmp */
  MIO_MEDIA_VIDEO = 3, /* an animated gif or webp, a folder of images, any video by ffmpeg */
  MIO_MEDIA_VISUAL = 4 /* an image or a video; its first bytes decide */
};

mio_input *mio_input_new(void);
void mio_input_free(mio_input *input);
/* Words; they can never act as control or media tokens. */
mio_status mio_input_add_text(mio_input *input, const char *text);
mio_status mio_input_add_file(mio_input *input, mio_media media, const char *path);
/* Mono samples, nominally in -1...1. */
mio_status mio_input_add_audio(mio_input *input, const float *samples, size_t count, int32_t sample_rate);
/* Rows from the top, red, green, blue: 3 * width * height bytes. */
mio_status mio_input_add_image(mio_input *input, const uint8_t *rgb, int32_t width, int32_t height);
/* Frames in the order of time, one behind the other. */
mio_status mio_input_add_video(mio_input *input, const uint8_t *rgb, int32_t width, int32_t height, size_t frames);
/* Codes as mio_encode gives them. Speech: one codebook behind the other, each of `count`. An image: 0 codebooks. */
mio_status mio_input_add_codes(mio_input *input, const int32_t *codes, size_t codebooks, size_t count);

/* ---- What a model gives ---- */

typedef int32_t mio_kind;
enum {
  MIO_EVENT_TEXT = 1,    /* text; of a transcript with its times */
  MIO_EVENT_AUDIO = 2,   /* samples, the codes they were made of, the words if they are known */
  MIO_EVENT_IMAGE = 3,   /* rgb, or NULL where only codes are known */
  MIO_EVENT_CODES = 4,   /* of mio_encode */
  MIO_EVENT_TOKENS = 5,  /* token ids, in `codes` */
  MIO_EVENT_PROBLEM = 6, /* text: what could not be read whole, or rendered; the work goes on */
  MIO_EVENT_PROGRESS = 7 /* fraction and text; to callbacks only. A slow one may miss some */
};

/* A piece of a result. Pointers that have no meaning for its kind are NULL, numbers 0. All of them are the library's: they stay
 * until the callback returns, or its `mio_output` is freed. Fields may be added at the end: `size` tells which are there. */
typedef struct mio_event {
  size_t size; /* of this structure, as the library knows it */
  mio_kind kind;
  int32_t index;        /* of this segment or part among its kind, from 0 */
  int32_t count;        /* how many there are, or evaluations of a network; 0 if that is not known */
  int32_t is_cut_short; /* speech that the model did not end within the tokens allowed */
  const char *text;
  const float *samples; /* mono, nominally in -1...1 */
  size_t sample_count;
  int32_t sample_rate; /* per second */
  int32_t width;
  int32_t height;
  const uint8_t *rgb;   /* 3 * width * height, rows from the top */
  const int32_t *codes; /* codebook by codebook, of an image or of tokens one list */
  size_t codebooks;     /* 0 for an image and for tokens */
  size_t code_count;    /* of each codebook */
  double start;         /* seconds from the beginning of the recording */
  double end;
  double fraction; /* 0...1 */
} mio_event;

/* Hears of each piece as soon as it is finished. 0 stops the work, which then ends with MIO_CANCELLED; anything else goes on.
 */
typedef int (*mio_event_fn)(const mio_event *event, void *user);

/* The whole of a result: pieces in their order, neighbouring words and stretches of speech joined. The output is the
 * caller's; work that is cancelled or fails gives what was finished until then. */
typedef struct mio_output mio_output;

void mio_output_free(mio_output *output);
size_t mio_output_count(const mio_output *output);
/* NULL beyond the last one. */
const mio_event *mio_output_event(const mio_output *output, size_t index);
/* Writes sound (.wav, .flac, .ogg, .opus, .mp3) or an image (.png, .jpg) into a file that appears when it is complete. */
mio_status mio_save(mio_call *call, const mio_event *event, const char *path);

/* ---- Work ----
 * Everything waits until the work is done. `event` hears of it piece by piece, with `user`; `output` takes the whole. Either
 * may be NULL. */

/* Speaks a text of any length: MIO_EVENT_AUDIO, segment by segment. `voice`: a recording or its codes of all codebooks, and the
 * words said in it (without words, the model writes them down); NULL leaves the voice to the model. */
mio_status mio_speak(mio_call *call, const mio_model *model, const char *text, const mio_input *voice, mio_event_fn event,
    void *user, mio_output **output);
/* Writes down one recording of any length: MIO_EVENT_TEXT with times, segment by segment. Segments are not joined. */
mio_status mio_transcribe(
    mio_call *call, const mio_model *model, const mio_input *input, mio_event_fn event, void *user, mio_output **output);
/* Does one of MIO's tasks: "image-caption", "image-question", "video-caption", "storytelling" ... ('mio-lite recipes'). */
mio_status mio_perform(mio_call *call, const mio_model *model, const char *task, const mio_input *input, mio_event_fn event,
    void *user, mio_output **output);
/* Draws what a text describes: MIO_EVENT_IMAGE, MIO_EVENT_PROGRESS. */
mio_status mio_draw(
    mio_call *call, const mio_model *model, const char *text, mio_event_fn event, void *user, mio_output **output);
/* Changes the image of `input` as an instruction says: MIO_EVENT_IMAGE, MIO_EVENT_PROGRESS. */
mio_status mio_edit(mio_call *call, const mio_model *model, const mio_input *input, const char *instruction, mio_event_fn event,
    void *user, mio_output **output);
/* The codes of one recording or image: MIO_EVENT_CODES. */
mio_status mio_encode(
    mio_call *call, const mio_model *model, const mio_input *input, mio_event_fn event, void *user, mio_output **output);
/* The sound or image of codes: MIO_EVENT_AUDIO or MIO_EVENT_IMAGE. */
mio_status mio_decode(
    mio_call *call, const mio_model *model, const mio_input *input, mio_event_fn event, void *user, mio_output **output);
/* The ids of a text: MIO_EVENT_TOKENS. */
mio_status mio_tokenize(
    mio_call *call, const mio_model *model, const char *text, mio_event_fn event, void *user, mio_output **output);
/* The text of ids, special tokens included: MIO_EVENT_TEXT. */
mio_status mio_detokenize(mio_call *call, const mio_model *model, const int32_t *ids, size_t count, mio_event_fn event,
    void *user, mio_output **output);
/* Completes a prompt of ids, exactly as they are: MIO_EVENT_TOKENS, id by id. */
mio_status mio_generate(mio_call *call, const mio_model *model, const int32_t *ids, size_t count, mio_event_fn event,
    void *user, mio_output **output);

/* ---- Conversations ---- */

typedef struct mio_session mio_session;

/* Begins a conversation with the options of the call, or goes on with one (MIO_OPTION_SNAPSHOT). The session is the caller's.
 */
mio_status mio_session_new(mio_call *call, const mio_model *model, mio_session **session);
void mio_session_free(mio_session *session);
/* Hands over a turn of words and media in any mix: MIO_EVENT_TEXT, MIO_EVENT_AUDIO, MIO_EVENT_IMAGE, MIO_EVENT_PROBLEM,
 * MIO_EVENT_PROGRESS. Turns are taken one after the other. A reply that is cancelled stays in the conversation as far as it
 * came. */
mio_status mio_respond(
    mio_call *call, mio_session *session, const mio_input *input, mio_event_fn event, void *user, mio_output **output);
/* What was said so far: MIO_EVENT_TEXT, to be kept and continued with the same model. */
mio_status mio_session_snapshot(
    mio_call *call, const mio_session *session, mio_event_fn event, void *user, mio_output **output);

#ifdef __cplusplus
}
#endif

#endif
