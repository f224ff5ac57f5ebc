//! Speaks a text, sentence by sentence as they are made, through the C interface; no crates.
//!
//!     rustc speak.rs -l mio && ./speak demo.mio "Good morning. How are you?"

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::ptr::{null, null_mut};

/// The beginning of `mio_event`: what is read here.
#[repr(C)]
struct Event {
    size: usize,
    kind: i32,
    index: i32,
    count: i32,
    is_cut_short: i32,
    text: *const c_char,
    samples: *const f32,
    sample_count: usize,
    sample_rate: i32,
}

type EventFn = extern "C" fn(*const Event, *mut c_void) -> c_int;

#[link(name = "mio")]
extern "C" {
    fn mio_call_new() -> *mut c_void;
    fn mio_call_free(call: *mut c_void);
    fn mio_set_int(call: *mut c_void, option: i32, value: i64) -> i32;
    fn mio_error(call: *const c_void) -> *const c_char;
    fn mio_model_open(call: *mut c_void, path: *const c_char, model: *mut *mut c_void) -> i32;
    fn mio_model_free(model: *mut c_void);
    fn mio_speak(
        call: *mut c_void, model: *const c_void, text: *const c_char, voice: *const c_void,
        event: Option<EventFn>, user: *mut c_void, output: *mut *mut c_void,
    ) -> i32;
}

const MIO_OPTION_SEED: i32 = 10;

/// A model and its call, freed when they are dropped.
struct Model {
    call: *mut c_void,
    model: *mut c_void,
}

impl Model {
    fn open(path: &str) -> Result<Model, String> {
        let path = CString::new(path).map_err(|error| error.to_string())?;
        let mut opened = Model { call: unsafe { mio_call_new() }, model: null_mut() };
        let status = unsafe { mio_model_open(opened.call, path.as_ptr(), &mut opened.model) };
        opened.check(status)?;
        Ok(opened)
    }

    fn check(&self, status: i32) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        Err(unsafe { CStr::from_ptr(mio_error(self.call)) }.to_string_lossy().into_owned())
    }

    /// Hands each sentence to `heard` as soon as it is made; `false` stops the rest.
    fn speak(&self, text: &str, mut heard: impl FnMut(&str, &[f32], i32) -> bool) -> Result<(), String> {
        extern "C" fn hear(event: *const Event, user: *mut c_void) -> c_int {
            let heard = unsafe { &mut *(user as *mut &mut dyn FnMut(&str, &[f32], i32) -> bool) };
            let event = unsafe { &*event };
            let words = unsafe { CStr::from_ptr(event.text) }.to_string_lossy();
            let samples = unsafe { std::slice::from_raw_parts(event.samples, event.sample_count) };
            heard(&words, samples, event.sample_rate) as c_int
        }
        let text = CString::new(text).map_err(|error| error.to_string())?;
        let mut heard: &mut dyn FnMut(&str, &[f32], i32) -> bool = &mut heard;
        let user = &mut heard as *mut _ as *mut c_void;
        self.check(unsafe {
            mio_set_int(self.call, MIO_OPTION_SEED, 1);
            mio_speak(self.call, self.model, text.as_ptr(), null(), Some(hear), user, null_mut())
        })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        unsafe {
            mio_model_free(self.model);
            mio_call_free(self.call);
        }
    }
}

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, text] = arguments.as_slice() else { return Err("usage: speak MODEL TEXT".into()) };
    Model::open(path)?.speak(text, |words, samples, rate| {
        println!("{:.2} s: {}", samples.len() as f32 / rate as f32, words);
        true
    })
}
