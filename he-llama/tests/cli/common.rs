//! Running the program in a directory of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The ring of these tests.
pub const PRESET: &str = "insecure-n10-boot";
/// A prompt of few tokens.
pub const PROMPT: &str = "ROMEO:";

/// A directory that is removed at the end.
pub struct Place(PathBuf);

impl Place {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("he-llama-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs the program here.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output();
        output.expect("the program was built")
    }

    /// Runs the program, which must succeed; returns what it printed.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text is UTF-8")
    }

    /// Runs the program with `text` as its standard input.
    pub fn run_with(&self, arguments: &[&str], text: &str) -> Output {
        let mut command = self.command(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(text.as_bytes()).expect("it is read");
        drop(input);
        child.wait_with_output().expect("it ends")
    }

    /// The program with arguments, to be run here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_he-llama"));
        command
            .args(arguments)
            .current_dir(&self.0)
            .env("XDG_CACHE_HOME", &self.0);
        command
    }

    /// Names of the files here.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("exists");
        let names = entries.map(|e| e.expect("exists").file_name().into_string());
        let mut names: Vec<String> = names.map(|n| n.expect("own names")).collect();
        names.sort();
        names
    }

    /// Runs the program, which must fail with exit code 1, one message that holds all of `parts`,
    /// and nothing on standard output.
    pub fn fail(&self, arguments: &[&str], parts: &[&str]) {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(
            errors.contains("error: ") && !errors.contains("panicked"),
            "{errors}"
        );
        for part in parts {
            assert!(errors.contains(part), "{part:?} is not in: {errors}");
        }
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} went on: {output:?}"
        );
    }

    /// A copy of the embedded model's files.
    pub fn model(&self, name: &str) -> PathBuf {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/shakespeare");
        let to = self.file(name);
        std::fs::create_dir_all(&to).expect("writable");
        for file in [
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "calibration.json",
        ] {
            std::fs::copy(from.join(file), to.join(file)).expect("the model is in the repository");
        }
        to
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A directory left behind in the temporary one does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A list of ids in a JSON file.
pub fn ids(json: &serde_json::Value, field: &str) -> Vec<u64> {
    let list = json[field].as_array().expect("a list of ids");
    list.iter().map(|id| id.as_u64().expect("an id")).collect()
}

/// A parsed JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("was written")).expect("is JSON")
}
