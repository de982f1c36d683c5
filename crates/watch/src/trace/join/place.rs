//! Where the sockets of traces are: in a folder that is their user's alone, each named by the number of its process.

use enchufe_sys::unix::{self, Peer};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The most sockets that are looked at: more traces than that are not one user's.
const MOST: usize = 256;
/// A socket's name is the number of its process and this.
const ENDING: &str = ".sock";

/// What a mode gives to who is not the owner.
const OTHERS: u32 = 0o077;

/// A trace that runs, and can be joined.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    pub(super) stream: UnixStream,
}

/// The folders that traces of this user may have: in the one that the system gives to users who are logged in, and where all can
/// make some.
fn folders(user: u32) -> Vec<PathBuf> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let given = given.filter(|path| is_ours(path, user)).map(|path| path.join("enchufe"));
    given.into_iter().chain([std::env::temp_dir().join(format!("enchufe-{user}"))]).collect()
}

/// Whether it is a folder, no link, of this user, and nobody else may enter it.
fn is_ours(path: &Path, user: u32) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|there| there.is_dir() && there.uid() == user && there.mode() & OTHERS == 0)
}

/// Opens a socket by which this process can be found. Fails where there is no folder that only its user can enter.
pub fn open() -> io::Result<(UnixListener, PathBuf)> {
    let user = unix::user();
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for folder in folders(user) {
        // It may be there already; whose it is is looked at.
        let _ = DirBuilder::new().mode(0o700).create(&folder);
        if !is_ours(&folder, user) {
            refused = io::ErrorKind::PermissionDenied.into();
            continue;
        }
        let path = folder.join(format!("{}{ENDING}", std::process::id()));
        // Of a process with this number that was killed.
        let _ = fs::remove_file(&path);
        match UnixListener::bind(&path) {
            Ok(listener) => return Ok((listener, path)),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// The traces of this user that run, by their numbers. Sockets of those that were killed are removed.
pub fn running() -> Vec<Running> {
    let user = unix::user();
    let ours = folders(user).into_iter().filter(|folder| is_ours(folder, user));
    let all = ours.filter_map(|folder| fs::read_dir(folder).ok()).flat_map(|list| list.take(MOST));
    let mut found: Vec<Running> = all.filter_map(|entry| knock(&entry.ok()?.path(), user)).collect();
    found.sort_unstable_by_key(|running| running.pid);
    found
}

fn knock(path: &Path, user: u32) -> Option<Running> {
    let pid = path.file_name()?.to_str()?.strip_suffix(ENDING)?.parse().ok()?;
    match UnixStream::connect(path) {
        Ok(stream) => {
            let Peer { user: theirs, .. } = unix::peer(&stream).ok()?;
            (theirs == user).then_some(Running { pid, stream })
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                // Its process has gone without a word. Another may have taken it away meanwhile.
                let _ = fs::remove_file(path);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_folder_that_is_closed_to_others_is_ours() {
        let path = std::env::temp_dir().join(format!("enchufe-place-{}", std::process::id()));
        let link = path.with_extension("link");
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        symlink(&path, &link).unwrap();
        let user = unix::user();
        let mut found = vec![is_ours(&path, user), is_ours(&path, user + 1), is_ours(&link, user)];
        fs::set_permissions(&path, PermissionsExt::from_mode(0o710)).unwrap();
        found.push(is_ours(&path, user));
        fs::remove_file(&link).unwrap();
        fs::remove_dir(&path).unwrap();
        found.push(is_ours(&path, user));
        assert_eq!(found, [true, false, false, false, false]);
    }
}
