//! Documents that are kept true by tests.

use std::path::Path;

/// Compares a text with the file of the repository that holds it, or writes the file anew where
/// `ENCHUFE_BLESS` is set, for somebody to read the difference.
pub fn check_document(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("ENCHUFE_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a file is in a directory")).expect("a directory");
        std::fs::write(&file, text).expect("the document is written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "{path} is not as it would be written now; `just bless` and read the difference"
    );
}
