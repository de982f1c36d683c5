//! A case in a process of its own, because what it uses up would be missed by the others.

use std::process::Command;

/// Tells the child that it is one.
const VARIABLE: &str = "ENCHUFE_CONFORMANCE_CHILD";

/// Runs `case`, which the test of this name is made of, in a child that runs nothing else.
pub(crate) fn in_a_child(test: &str, case: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        return case();
    }
    let itself = std::env::current_exe().unwrap();
    let output =
        Command::new(itself).args([test, "--exact", "--nocapture"]).env(VARIABLE, "").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(" 1 passed"), "{test}: {said}{errors}");
}
