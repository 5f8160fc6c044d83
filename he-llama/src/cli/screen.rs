//! Everything that the program says: results on standard output, notices and progress on standard
//! error. All of it can fail: a closed pipe ends the program quietly, a full disk with an error.

use std::cell::RefCell;
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Result as IoResult, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::{Error, Result};

/// Prints a line of results, like `println!`; its `Result` must be looked at.
macro_rules! say {
    () => { $crate::cli::screen::line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::screen::line(format_args!($($text)*)) };
}

/// Prints a notice, like `eprintln!`; its `Result` must be looked at.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::screen::notice(format_args!($($text)*)) };
}

/// Writes a line to standard output.
///
/// # Errors
///
/// [`Error::Closed`] when nobody reads it any more, [`Error::Write`] when it cannot be written.
pub fn line(text: Arguments<'_>) -> Result<()> {
    on_output(|out| writeln!(out, "{text}"))
}

/// Writes `text` to standard output at once.
///
/// # Errors
///
/// Those of [`line`].
pub fn show(text: &str) -> Result<()> {
    on_output(|out| out.write_all(text.as_bytes()))
}

/// Writes a line to standard error.
///
/// # Errors
///
/// Those of [`line`].
pub fn notice(text: Arguments<'_>) -> Result<()> {
    let mut error = std::io::stderr().lock();
    checked(writeln!(error, "{text}"), "standard error")
}

fn on_output(write: impl FnOnce(&mut dyn Write) -> IoResult<()>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = write(&mut out).and_then(|()| out.flush());
    checked(written, "standard output")
}

fn checked(written: IoResult<()>, name: &str) -> Result<()> {
    written.map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Error::Closed,
        _ => Error::write(Path::new(name))(e),
    })
}

/// Time between two lines of progress where there is no terminal.
const BETWEEN: Duration = Duration::from_secs(10);

/// Progress on standard error: a bar on a terminal, else a line now and then; nothing when quiet.
pub struct Progress {
    bar: ProgressBar,
    lines: Option<RefCell<Lines>>,
}

/// What lines of progress remember.
struct Lines {
    /// Beginning of the stage, and its number of steps.
    stage: (Instant, usize),
    last: Instant,
}

impl Progress {
    /// A bar that is shown unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match terminal && !quiet {
            true => {
                let template = "{prefix}[{bar:30}] {elapsed}, about {eta} left, {msg}";
                let style = ProgressStyle::with_template(template)
                    .expect("the template is constant and valid");
                ProgressBar::new(1).with_style(style)
            }
            false => ProgressBar::hidden(),
        };
        let now = Instant::now();
        let lines = Lines {
            stage: (now, 0),
            last: now,
        };
        Self {
            bar,
            lines: (!terminal && !quiet).then(|| RefCell::new(lines)),
        }
    }

    /// Says that `done` of `total` steps are done; `message` describes the present one.
    ///
    /// # Errors
    ///
    /// Those of [`notice`].
    pub fn at(&self, done: usize, total: usize, message: &dyn Fn() -> String) -> Result<()> {
        if let Some(lines) = &self.lines {
            return lines.borrow_mut().at(done, total, message);
        }
        if !self.bar.is_hidden() {
            self.bar.set_length(total as u64);
            self.bar.set_position(done as u64);
            self.bar.set_message(message());
        }
        Ok(())
    }

    /// Text in front of the bar.
    pub fn set_prefix(&self, text: String) {
        self.bar.set_prefix(text);
    }

    /// Whether a bar is on the screen.
    pub fn is_on_screen(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Lines {
    fn at(&mut self, done: usize, total: usize, message: &dyn Fn() -> String) -> Result<()> {
        let now = Instant::now();
        // Fewer steps done of another number of them: a stage has begun.
        if self.stage.1 != total {
            self.stage = (now, total);
        }
        if now - self.last < BETWEEN {
            return Ok(());
        }
        self.last = now;
        let left = remaining(now - self.stage.0, done, total);
        let left = left.map_or(String::new(), |left| format!(", about {} left", time(left)));
        note!("{done} of {total}{left}: {}", message())
    }
}

/// The time that is left of `total` equal steps of which `done` took `elapsed`.
fn remaining(elapsed: Duration, done: usize, total: usize) -> Option<Duration> {
    let share = total.checked_sub(done)? as f64 / done as f64;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * share).ok()
}

/// Minutes and seconds for people.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.2} GB", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let second = Duration::from_secs(1);
        assert_eq!(remaining(10 * second, 1, 4), Some(30 * second));
        assert_eq!(remaining(10 * second, 4, 4), Some(Duration::ZERO));
        assert_eq!(remaining(10 * second, 0, 4), None, "nothing is known yet");
        assert_eq!(remaining(10 * second, 5, 4), None);
    }

    #[test]
    fn times_and_sizes_are_short() {
        let of = |seconds| time(Duration::from_secs(seconds));
        assert_eq!(
            [of(59), of(61), of(3700)],
            ["59 s", "1 min 01 s", "1 h 01 min"]
        );
        assert_eq!(
            [size(999), size(1_500_000), size(2_500_000_000)],
            ["1.0 kB", "1.5 MB", "2.50 GB"]
        );
    }

    #[test]
    fn a_closed_pipe_is_no_error_of_the_disk() {
        let of =
            |kind: ErrorKind| checked(Err(kind.into()), "standard output").expect_err("failed");
        assert!(matches!(of(ErrorKind::BrokenPipe), Error::Closed));
        assert!(matches!(of(ErrorKind::StorageFull), Error::Write { .. }));
    }
}
