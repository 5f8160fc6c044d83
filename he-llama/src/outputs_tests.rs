//! Files that are replaced as a whole, and those that are not.

use super::*;

/// A directory of a test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("he-llama-outputs-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("writable");
        Self(path)
    }

    fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, contents).expect("writable");
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("exists");
        let name = |e: IoResult<std::fs::DirEntry>| e.expect("exists").file_name();
        let mut names: Vec<String> = entries
            .map(|e| name(e).into_string().expect("own names"))
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory left behind in the temporary one does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn contents(path: &Path) -> String {
    std::fs::read_to_string(path).expect("is there")
}

#[test]
fn a_file_is_replaced_when_it_is_complete_and_not_before() {
    let directory = Directory::new("whole");
    let path = directory.file("f", "old");
    let mut abandoned = Output::create(&path, Access::Umask).expect("writable");
    abandoned.write_all(b"half").expect("room");
    assert_eq!(contents(&path), "old");
    drop(abandoned);
    assert_eq!(directory.names(), ["f"], "nothing is left behind");
    // Two writers at once do not write one file.
    let mut both = [0, 1].map(|_| Output::create(&path, Access::Umask).expect("writable"));
    both[0].write_all(b"first").expect("room");
    both[1].write_all(b"second").expect("room");
    let [first, second] = both;
    second.commit().expect("writable");
    assert_eq!(contents(&path), "second");
    first.commit().expect("writable");
    assert_eq!(contents(&path), "first");
    assert_eq!(directory.names(), ["f"]);
}

#[cfg(unix)]
#[test]
fn private_files_are_private_from_their_first_moment_on() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("private");
    let path = directory.file("f", "readable by all");
    let output = Output::create(&path, Access::Owner).expect("writable");
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("exists")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&output.temporary), 0o600);
    output.commit().expect("writable");
    assert_eq!(mode(&path), 0o600);
}

#[cfg(unix)]
#[test]
fn only_plain_files_are_replaced() {
    let directory = Directory::new("plain");
    let target = directory.file("target", "kept");
    let link = directory.0.join("link");
    std::os::unix::fs::symlink(&target, &link).expect("writable");
    let dangling = directory.0.join("dangling");
    std::os::unix::fs::symlink(directory.0.join("absent"), &dangling).expect("writable");
    let below = directory.0.join("below");
    std::fs::create_dir(&below).expect("writable");
    let socket = directory.0.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("writable");
    let marked = directory.file("marked", "kept");
    let mut permissions = std::fs::metadata(&marked).expect("exists").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&marked, permissions).expect("own file");
    let null = Path::new("/dev/null");
    for path in [
        &link,
        &dangling,
        &below,
        &socket,
        &marked,
        null,
        Path::new("/"),
        Path::new(".."),
    ] {
        let refused = check_target(path).expect_err("no plain file");
        assert!(matches!(refused, Error::NotPlain { .. }), "{refused}");
    }
    assert_eq!(contents(&target), "kept");
    let absent = directory.0.join("no/such/directory/f");
    assert!(matches!(check_target(&absent), Err(Error::Write { .. })));
    check_target(&directory.0.join("new")).expect("writable");
    assert!(!directory.names().contains(&"new".to_owned()));
}

#[test]
fn one_file_is_known_by_all_its_names() {
    let directory = Directory::new("names");
    let one = directory.file("one", "");
    let other = directory.file("other", "");
    let hard = directory.0.join("hard");
    std::fs::hard_link(&one, &hard).expect("the file system has links");
    let around = directory.0.join(".").join("one");
    let refused = |second: &Path| check_distinct(&[("--a", &one), ("--b", second)]).is_err();
    assert!(refused(&one) && refused(&around) && refused(&hard));
    assert!(!refused(&other) && !refused(&directory.0.join("absent")));
    let absent = [directory.0.join("new"), directory.0.join("./new")];
    let both = [("--a", absent[0].as_path()), ("--b", absent[1].as_path())];
    let shown = check_distinct(&both).expect_err("one file").to_string();
    assert!(shown.contains("--a") && shown.contains("--b"), "{shown}");
}

#[test]
fn a_lock_is_held_by_one() {
    let directory = Directory::new("lock");
    let path = directory.0.join("state");
    let held = Lock::take(&path).expect("free");
    assert!(matches!(Lock::take(&path), Err(Error::Locked { .. })));
    Lock::take(&directory.0.join("another")).expect("free");
    drop(held);
    Lock::take(&path).expect("free again");
}
