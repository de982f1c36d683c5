use super::*;
use std::fs;
use std::process::Command;

const SOURCE: &str = "
static inline __attribute__((always_inline)) int inner(int a) { return write(a, \"x\", 1); }
static __attribute__((noinline)) int outer(int a) { return inner(a) + inner(a + 1); }
int main(int a) { return outer(a) * 2; }
";

/// A program with all that is read of one.
fn program(folder: &Path, words: &[&str]) -> Vec<u8> {
    let (source, path) = (folder.join("lies.c"), folder.join("lies"));
    fs::write(&source, format!("#include <unistd.h>{SOURCE}")).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-g", "-O2", "-o"]).arg(&path).args(words).arg(&source);
    assert!(compiler.status().unwrap().success());
    fs::read(path).unwrap()
}

/// Numbers without a pattern (`SplitMix64`).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// What is told of every address that a small program can have, in lines and in ways to callers.
fn read(folder: &Path, bytes: &[u8]) -> (usize, usize) {
    let path = folder.join("read");
    fs::write(&path, bytes).unwrap();
    let Some(module) = Modules::default().of(File::open(&path).unwrap()) else { return (0, 0) };
    let mut module = module.borrow_mut();
    let (mut lines, mut steps) = (0, 0);
    for address in 0x1000..0x1400 {
        let known = module.known(address, Role::Program, Path::new("/"), &path);
        lines += usize::from(matches!(&*known.place, Place::Own(_)));
        steps += usize::from(known.step.is_some());
    }
    (lines, steps)
}

/// Changes a few bytes: anywhere, of the header, or of the table of sections at the end; or cuts the file.
fn corrupt(bytes: &mut Vec<u8>, noise: &mut Noise) {
    for _ in 0..=noise.below(8) {
        let (length, span) = (bytes.len(), bytes.len().min(64 * 40));
        let place = match noise.below(4) {
            0 => noise.below(64.min(length)),
            1 => length - span + noise.below(span),
            _ => noise.below(length),
        };
        let value = match noise.below(3) {
            0 => u64::MAX,
            1 => 1 << noise.below(64),
            _ => noise.next(),
        };
        let changed = bytes[place..].iter_mut().take(1 + noise.below(8));
        changed.zip(value.to_le_bytes()).for_each(|(byte, value)| *byte = value);
    }
    if noise.below(8) == 0 {
        bytes.truncate(1 + noise.below(bytes.len()));
    }
}

#[test]
fn a_file_that_lies_ends_nobody_who_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = Noise(1);
    for words in [&[][..], &["-gz"][..], &["-gdwarf-4", "-Wl,--no-eh-frame-hdr"][..]] {
        let whole = program(folder.path(), words);
        let (lines, steps) = read(folder.path(), &whole);
        assert!(lines > 20 && steps > 20, "{lines} {steps}");
        for _ in 0..100 {
            let mut bytes = whole.clone();
            corrupt(&mut bytes, &mut noise);
            read(folder.path(), &bytes);
        }
    }
}
