//! Which files a process executes, and where in its memory they are (proc(5), `/proc/PID/maps`).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A part of a file that a process executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// The file, by its number.
    pub inode: u64,
    /// Whether a program gives what is in the file (FUSE): who reads it may wait for a program that is stopped.
    pub is_served: bool,
    /// The file, by the name that it had for the process.
    pub path: PathBuf,
    /// Whether that name is gone, or another file's.
    pub is_deleted: bool,
    /// An address at which the beginning of the file stands, if that is mapped; else this one's.
    pub head: u64,
    /// What of the file stands there.
    pub head_offset: u64,
}

/// The files that a process executes, in the order of their addresses.
pub fn read(pid: u32) -> io::Result<Vec<Mapping>> {
    let served = served(&fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default());
    Ok(parse(&fs::read(format!("/proc/{pid}/maps"))?, &served))
}

/// The devices whose files a program gives (proc(5), `/proc/PID/mountinfo`: the device is the third word, the kind of file
/// system stands after the dash).
fn served(text: &[u8]) -> Vec<(u32, u32)> {
    let device = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let (major, minor) =
            before.split(' ').nth(2).filter(|_| after.starts_with("fuse"))?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    String::from_utf8_lossy(text).lines().filter_map(device).collect()
}

fn parse(text: &[u8], served: &[(u32, u32)]) -> Vec<Mapping> {
    let (mut all, mut head) = (Vec::new(), (0, 0));
    for line in text.split(|byte| *byte == b'\n') {
        let Some((mapping, is_executed)) = mapping(line, served) else { continue };
        if mapping.offset == 0 {
            head = (mapping.inode, mapping.start);
        }
        if is_executed {
            let has_head = head.0 == mapping.inode;
            let (head, head_offset) = if has_head { (head.1, 0) } else { (mapping.start, mapping.offset) };
            all.push(Mapping { head, head_offset, ..mapping });
        }
    }
    all
}

/// `start-end rwxp offset device inode path`: of a file, and whether it is executed.
fn mapping(line: &[u8], served: &[(u32, u32)]) -> Option<(Mapping, bool)> {
    let path = line.iter().position(|byte| *byte == b'/')?;
    let (fields, path) = line.split_at_checked(path)?;
    let mut fields = str::from_utf8(fields).ok()?.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = fields.next()?.parse().ok()?;
    let deleted = path.strip_suffix(b" (deleted)");
    let mapping = Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset,
        inode,
        is_served: served.contains(&device),
        path: OsString::from_vec(deleted.unwrap_or(path).to_vec()).into(),
        is_deleted: deleted.is_some(),
        head: 0,
        head_offset: 0,
    };
    Some((mapping, rights.contains('x')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_knows_where_its_file_begins() {
        let text = b"\
55d0c0000000-55d0c0001000 r--p 00000000 fe:01 77 /home/ana/mi programa
55d0c0001000-55d0c0002000 r-xp 00001000 fe:01 77 /home/ana/mi programa
55d0c0003000-55d0c0004000 rw-p 00003000 fe:01 77 /home/ana/mi programa
55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000010000 r-xp 00020000 fe:01 78 /tmp/b.so (deleted)
7ffd00000000-7ffd00021000 r-xp 00000000 00:00 0 [vdso]
lies r-xp
";
        let all = parse(text, &[]);
        let [program, library] = &all[..] else { panic!("{all:?}") };
        assert_eq!((program.start, program.offset, program.inode), (0x55d0_c000_1000, 0x1000, 77));
        assert_eq!((program.head, program.head_offset), (0x55d0_c000_0000, 0));
        assert_eq!(program.path, PathBuf::from("/home/ana/mi programa"));
        assert!(library.is_deleted && !program.is_deleted);
        assert_eq!(library.path, PathBuf::from("/tmp/b.so"));
        assert_eq!((library.head, library.head_offset), (0x7f00_0000_0000, 0x20000));
        assert!(!program.is_served);
    }

    #[test]
    fn a_file_that_a_program_gives_is_known_by_its_device() {
        let mounts = b"\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw
90 22 0:58 / /tmp/.mount_x ro,nosuid shared:40 - fuse.appimage app ro,user_id=0
lies - fuse
";
        assert_eq!(served(mounts), [(0, 58)]);
        let text =
            b"400000-401000 r-xp 00000000 00:3a 7 /tmp/.mount_x/a\n500000-501000 r-xp 00000000 fe:01 8 /b\n";
        let given: Vec<bool> = parse(text, &served(mounts)).iter().map(|one| one.is_served).collect();
        assert_eq!(given, [true, false]);
    }
}
