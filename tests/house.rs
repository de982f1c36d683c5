//! The rules of the house that a compiler does not keep: `ARCHITECTURE.md` explains them.

#![expect(clippy::expect_used, reason = "a test fails by panicking, and says why")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may know whom.
const FENCES: [(&str, &[&str]); 6] = [
    ("enchufe", &["enchufe-story", "enchufe-sys", "enchufe-talk", "enchufe-watch", "enchufe-wire"]),
    ("enchufe-story", &["enchufe-wire"]),
    ("enchufe-sys", &[]),
    ("enchufe-talk", &["enchufe-sys"]),
    ("enchufe-watch", &["enchufe-story", "enchufe-sys", "enchufe-wire"]),
    ("enchufe-wire", &[]),
];

/// Lines of code that a file may have before its tests.
const LONGEST_FILE: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src"), root().join("crates"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source is text");
                found.push((path.strip_prefix(root()).expect("below the root").to_owned(), text));
            }
        }
    }
    assert!(found.len() > 30, "the sources were found");
    found
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// The lines before the tests that are neither empty nor comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let body = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"))
}

#[test]
fn no_crate_knows_another_that_it_may_not() {
    let mut seen = BTreeMap::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name").to_owned();
        let siblings: BTreeSet<String> = package["dependencies"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|name| name.starts_with("enchufe"))
            .map(str::to_owned)
            .collect();
        seen.insert(name, siblings);
    }
    for (name, siblings) in &seen {
        let allowed = FENCES.iter().find(|(crate_name, _)| crate_name == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} has no fences yet"));
        for sibling in siblings {
            assert!(allowed.contains(&sibling.as_str()), "{name} must not know {sibling}");
        }
    }
    assert_eq!(seen.len(), FENCES.len(), "every crate that is fenced exists");
}

#[test]
fn the_map_names_every_crate() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    for package in packages() {
        let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
        let folder =
            manifest.parent().and_then(|folder| folder.strip_prefix(root()).ok()).expect("below the root");
        let room = if folder == Path::new("") { "src/".to_owned() } else { folder.display().to_string() };
        assert!(map.contains(&format!("| `{room}`")), "{room}");
    }
}

#[test]
fn unsafe_code_is_in_sys_alone() {
    for (path, text) in sources().iter().filter(|(path, _)| !path.starts_with("crates/sys") && !is_test(path))
    {
        let found = code(text).find(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        assert_eq!(found, None, "{}", path.display());
    }
}

#[test]
fn a_reader_can_hold_every_file_in_view() {
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        let lines = code(text).count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines of code", path.display());
    }
}

#[test]
fn the_system_is_chosen_in_one_file() {
    let choosing: BTreeSet<PathBuf> = sources()
        .into_iter()
        .filter(|(path, text)| !is_test(path) && code(text).any(chooses))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(choosing, BTreeSet::from([PathBuf::from("crates/sys/src/host.rs")]));
}

/// Whether a line asks which system it is built for.
fn chooses(line: &str) -> bool {
    ["target_os", "target_family", "cfg(windows", "cfg(unix", "cfg!(windows", "cfg!(unix"]
        .iter()
        .any(|question| line.contains(question))
}

/// Of the program, only what is there with the crate that watches.
#[test]
fn what_only_one_system_has_is_used_only_where_it_is() {
    let of_the_watching = ["trace", "watch", "doctor", "read/recorded", "demo/traced"]
        .map(|place| format!("src/commands/{place}"));
    for (path, text) in sources().iter().filter(|(path, _)| !is_test(path)) {
        let shown = path.display().to_string();
        let may = ["crates/sys", "crates/watch", "crates/talk/src/engine/exec.rs"];
        let may = may.iter().any(|place| shown.starts_with(place));
        if may || of_the_watching.iter().any(|place| shown.starts_with(place.as_str())) {
            continue;
        }
        let found = code(text).find(|line| line.contains("std::os::") || line.contains("libc::"));
        assert_eq!(found, None, "{shown}");
    }
}

#[test]
fn the_readme_names_only_files_that_exist() {
    for document in ["README.md", "LEEME.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root().join(document)).expect("a document");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap_or_default();
            assert!(root().join(file).exists(), "{document} names {file}");
        }
    }
}
