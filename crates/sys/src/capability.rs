//! capabilities(7) of files, by getxattr(2).

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// Whether a file gives capabilities to who executes it.
pub fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: both texts are live C strings; with a size of zero nothing is written.
    let size = unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), ptr::null_mut(), 0) };
    // Those of another user namespace's root are not told, but that there are some is (`cap_inode_getsecurity`).
    size > 0 || size < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EOVERFLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_has_none_and_neither_has_one_that_is_not_there() {
        assert!(!has_capabilities(&std::env::current_exe().unwrap()));
        assert!(!has_capabilities(Path::new("/nowhere/at/all")));
    }
}
