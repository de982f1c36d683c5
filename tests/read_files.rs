//! Several captures at once, what their files say beside the packets, and what of it is written again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[allow(dead_code, reason = "the captures of the library's own tests; these use a part")]
#[path = "../crates/wire/tests/craft/mod.rs"]
mod craft;

use common::{Process, enchufe, run};
use craft::packets::Capture;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn crafted(name: &str) -> Capture {
    craft::all().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// The frames whose place fits.
fn part(capture: &Capture, fits: impl Fn(usize) -> bool) -> Capture {
    let frames = capture.frames.iter().enumerate().filter(|(at, _)| fits(*at));
    Capture { link: capture.link, frames: frames.map(|(_, frame)| frame.clone()).collect() }
}

/// Files in a folder of their own.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

fn golden(name: &str, passes: &str) -> String {
    let path = format!("{}/crates/wire/tests/golden/{name}.{passes}.tsv", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().split_once('\n').unwrap().1.to_owned()
}

/// Whether SIGINT is not what ends a process by itself any more.
fn catches_interrupts(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & 1 << (2 - 1) != 0)
}

#[test]
fn whoever_does_not_want_to_wait_for_the_first_bytes_need_not() {
    // Nothing, and what may become an archive.
    for bytes in [&b""[..], &[0x1f, 0x8b, 8]] {
        let mut process = Process::start_with_input(enchufe("en", &["read", "-"]));
        process.write(bytes);
        // Until then it ends the program as any other.
        let id = process.id();
        process.wait_for(|| catches_interrupts(id).then_some(()));
        process.signal("INT");
        // Its input ends only then.
        process.errors_until("interrupted");
        process.finish().is(1, "", "enchufe: interrupted before anything was shown\n");
    }
}

#[test]
fn several_captures_are_one_in_the_order_of_their_times() {
    for name in ["retransmissions", "fragments", "icmp"] {
        let whole = crafted(name);
        let pieces = [0, 1, 2].map(|rest| part(&whole, |at| at % 3 == rest).pcap());
        let files = Files::new(&[("a", &pieces[0]), ("b", &pieces[1]), ("c", &pieces[2])]);
        let [a, b, c] = ["a", "b", "c"].map(|name| files.path(name));
        run(&["read", &c, &a, &b, "--tsv"]).is(0, &golden(name, "two"), "");
        run(&["read", &a, &b, &c, "--tsv", "--one-pass"]).is(0, &golden(name, "one"), "");
    }
}

#[test]
fn in_order_one_capture_comes_after_the_other() {
    let whole = crafted("retransmissions");
    let [even, odd] = [0, 1].map(|rest| part(&whole, |at| at % 2 == rest));
    let both = Capture { link: whole.link, frames: [odd.frames.clone(), even.frames.clone()].concat() };
    let files = Files::new(&[("even", &even.pcap()), ("odd", &odd.pcap()), ("both", &both.pcap())]);
    let [even, odd, both] = ["even", "odd", "both"].map(|name| files.path(name));
    let expected = run(&["read", &both, "--tsv"]);
    let done = run(&["read", &odd, &even, "--tsv", "--in-order"]);
    assert_eq!(done.text(), expected.text());
    assert!(done.errors().starts_with("enchufe: times run backwards at packet "), "{}", done.errors());
}

#[test]
fn one_of_several_that_is_cut_is_shown_so_far_and_the_others_whole() {
    let whole = crafted("retransmissions");
    let [even, odd] = [0, 1].map(|rest| part(&whole, |at| at % 2 == rest).pcap());
    let cut = &odd[..odd.len() - 1];
    let files = Files::new(&[("even", &even), ("cut", cut)]);
    let (even, cut) = (files.path("even"), files.path("cut"));
    for order in [&[][..], &["--in-order"]] {
        let done = run(&[&["read", &cut, &even, "--tsv"], order].concat());
        let rows = golden("retransmissions", "two").lines().count();
        assert_eq!((done.code, done.text().lines().count()), (Some(1), rows - 1));
        let start = format!("enchufe: {cut} is cut: what begins at byte ");
        assert!(done.errors().contains(&start), "{}", done.errors());
    }
}

#[test]
fn one_of_several_that_is_no_capture_is_said_before_anything_is_shown() {
    let files = Files::new(&[("good", &crafted("report").pcap()), ("bad", b"GIF89a"), ("empty", b"")]);
    let [good, bad, empty] = ["good", "bad", "empty"].map(|name| files.path(name));
    let sentence = format!(
        "{bad} is no capture: it begins with 47 49 46 38, which is neither pcap nor pcapng (nor one of them in \
         gzip or zstd)"
    );
    run(&["read", &good, &bad]).could_not_run(&sentence);
    run(&["read", &empty, &good, "--in-order"]).could_not_run(&format!("{empty} is empty: it is no capture"));
    run(&["read", &good, "missing.pcap"])
        .could_not_run("open missing.pcap: it does not exist; look at its name (ls), or name another file");
    let sentence = "standard input can be read once: name - once";
    run(&["read", "-", "-"]).could_not_run(sentence);
}

#[test]
fn the_last_word_is_the_filter_where_it_is_no_file() {
    let files = Files::new(&[("a.pcap", &crafted("report").pcap()), ("udp", &crafted("udp").pcap())]);
    let (report, udp) = (files.path("a.pcap"), files.path("udp"));
    let numbers = ["--tsv", "--columns", "number"];
    let words = |words: &[&str]| run(&[&["read"], words, &numbers].concat());
    words(&[&report, "tcp.len > 0"]).is(0, "4\n6\n", "");
    words(&[&report, "--filter", "tcp.len > 0"]).is(0, "4\n6\n", "");
    // A filter that is also the name of a file is a file; the flag leaves no doubt.
    let mut process = enchufe("en", &[&["read", "a.pcap", "udp", "--in-order"], &numbers[..]].concat());
    process.current_dir(Path::new(&udp).parent().unwrap());
    let both = Process::start(process).finish();
    assert!(both.text().lines().count() > 21, "{}", both.text());
    let mut process = enchufe("en", &[&["read", "a.pcap", "--filter", "udp"], &numbers[..]].concat());
    process.current_dir(Path::new(&udp).parent().unwrap());
    Process::start(process).finish().is(0, "12\n13\n14\n15\n16\n17\n18\n19\n20\n21\n", "");
}

/// A pcapng file, block by block, in one byte order or the other.
struct Blocks {
    big: bool,
    bytes: Vec<u8>,
}

impl Blocks {
    fn half(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn word(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn long(&self, value: u64) -> [u8; 8] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        let mut out = [&self.half(code)[..], &self.half(length), value].concat();
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn block(&mut self, kind: u32, parts: &[&[u8]]) {
        let mut body = parts.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = self.word(u32::try_from(body.len() + 12).unwrap());
        self.bytes.extend([&self.word(kind)[..], &length, &body, &length].concat());
    }

    /// A time as two words, the upper one first.
    fn time(&self, units: u64) -> Vec<u8> {
        let [high, low] = [units >> 32, units & 0xffff_ffff].map(|half| u32::try_from(half).unwrap());
        [self.word(high), self.word(low)].concat()
    }
}

/// The time of the one packet, in milliseconds after 1970 without the interface's offset of a second.
const MILLIS: u64 = 1_700_000_000_123;

/// All that a section can say, times in milliseconds and an offset of a second.
fn everything(big: bool) -> Vec<u8> {
    let mut file = Blocks { big, bytes: Vec::new() };
    let end = file.option(0, &[]);
    let section = [&file.word(0x1a2b_3c4d)[..], &file.half(1), &file.half(0), &[0xff; 8]].concat();
    let options =
        [file.option(1, b"of the section"), file.option(2, b"a board"), file.option(4, b"other")].concat();
    file.block(0x0a0d_0d0a, &[&section, &options, &end]);
    let interface = [&file.half(101)[..], &[0, 0], &file.word(96)].concat();
    let options = [
        file.option(2, b"eth7"),
        file.option(3, b"the wire"),
        file.option(8, &file.long(1_000_000_000)),
        file.option(9, &[3]),
        file.option(14, &file.long(1)),
        file.option(1, b"of the interface"),
    ]
    .concat();
    file.block(1, &[&interface, &options, &end]);
    let names = [&file.option(1, &[&[10, 0, 0, 1], &b"here\0"[..]].concat())[..], &end].concat();
    file.block(4, &[&names, &file.option(2, b"ns"), &end]);
    let packet = [0x45, 0, 0, 20, 0, 1, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let options = [
        file.option(1, b"first"),
        file.option(1, b"second"),
        file.option(2, &file.word(1)),
        file.option(4, &file.long(7)),
        file.option(2988, &[&file.word(32_473)[..], b"text"].concat()),
        file.option(19372, &[&file.word(32_473)[..], b"not to be copied"].concat()),
    ]
    .concat();
    let head = [&file.word(0)[..], &file.time(MILLIS), &file.word(20), &file.word(60)].concat();
    file.block(6, &[&head, &packet, &options, &end]);
    file.block(0x0bad, &[&file.word(32_622), &3u32.to_le_bytes(), &42u32.to_le_bytes()]);
    file.block(0x4000_0bad, &[&file.word(32_622), b"not to be copied"]);
    let counters = [file.option(4, &file.long(1000)), file.option(5, &file.long(3))].concat();
    file.block(5, &[&file.word(0), &file.time(MILLIS), &counters, &end]);
    file.bytes
}

/// The same as it is to be written: little-endian, in nanoseconds, by this program.
fn written_again() -> Vec<u8> {
    let nanos = (MILLIS + 1000) * 1_000_000;
    let mut file = Blocks { big: false, bytes: Vec::new() };
    let end = file.option(0, &[]);
    let section = [&file.word(0x1a2b_3c4d)[..], &file.half(1), &file.half(0), &[0xff; 8]].concat();
    let program = concat!("enchufe ", env!("CARGO_PKG_VERSION")).as_bytes();
    let options =
        [file.option(1, b"of the section"), file.option(2, b"a board"), file.option(4, program)].concat();
    file.block(0x0a0d_0d0a, &[&section, &options, &end]);
    let names = [&file.option(1, &[&[10, 0, 0, 1], &b"here\0"[..]].concat())[..], &end].concat();
    file.block(4, &[&names, &file.option(2, b"ns"), &end]);
    let interface = [&file.half(101)[..], &[0, 0], &file.word(96)].concat();
    let options = [
        file.option(2, b"eth7"),
        file.option(3, b"the wire"),
        file.option(8, &file.long(1_000_000_000)),
        file.option(1, b"of the interface"),
        file.option(9, &[9]),
    ]
    .concat();
    file.block(1, &[&interface, &options, &end]);
    let packet = [0x45, 0, 0, 20, 0, 1, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let options = [
        file.option(1, b"first"),
        file.option(1, b"second"),
        file.option(2, &file.word(1)),
        file.option(4, &file.long(7)),
        file.option(2988, &[&file.word(32_473)[..], b"text"].concat()),
    ]
    .concat();
    let head = [&file.word(0)[..], &file.time(nanos), &file.word(20), &file.word(60)].concat();
    file.block(6, &[&head, &packet, &options, &end]);
    file.block(0x0bad, &[&file.word(32_622), &3u32.to_le_bytes(), &42u32.to_le_bytes()]);
    let counters = [file.option(4, &file.long(1000)), file.option(5, &file.long(3))].concat();
    file.block(5, &[&file.word(0), &file.time(nanos), &counters, &end]);
    file.bytes
}

#[test]
fn what_a_file_says_beside_its_packets_is_written_again() {
    for big in [false, true] {
        let files = Files::new(&[("in", &everything(big))]);
        let (input, out) = (files.path("in"), files.path("out"));
        let lost = format!(
            "enchufe: the program that captured {input} lost 3 packets: what is missing may be its fault, not the \
             network's\n"
        );
        let expected = format!(
            "{lost}enchufe: 1 packet written to {out}\nenchufe: 1 custom block was left out: only its maker may \
             copy such a block, or know how\n"
        );
        run(&["read", &input, "-w", &out]).is(0, "", &expected);
        assert_eq!(std::fs::read(&out).unwrap(), written_again(), "big-endian: {big}");
        // And what was written says the same again.
        let again = run(&["read", &out, "--tsv", "--columns", "frame.comment,frame.time_epoch,length"]);
        assert_eq!(again.text(), "first,second\t1700000001.123000000\t60\n");
    }
}

#[test]
fn interfaces_of_several_files_stay_apart() {
    let files = Files::new(&[("a", &everything(false)), ("b", &everything(true))]);
    let [a, b, out] = ["a", "b", "out"].map(|name| files.path(name));
    let done = run(&["read", &a, &b, "-w", &out]);
    assert_eq!(done.code, Some(0));
    let bytes = std::fs::read(&out).unwrap();
    let count = |kind: u32| {
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            count += usize::from(word(at) == kind);
            at += usize::try_from(word(at + 4)).unwrap();
        }
        count
    };
    // Each section's comments are kept by a section; packets and names are all there.
    assert_eq!([0x0a0d_0d0a, 6, 4, 0x0bad].map(count), [2, 2, 2, 2]);
    let rows = run(&["read", &out, "--tsv", "--columns", "number,frame.comment"]);
    assert_eq!(rows.text(), "1\tfirst,second\n2\tfirst,second\n");
}

#[test]
fn a_comment_can_be_filtered_and_is_shown() {
    let files = Files::new(&[("in", &everything(true))]);
    let input = files.path("in");
    let done = run(&["read", &input, "frame.comment contains \"seco\"", "--tsv", "--columns", "number"]);
    assert_eq!((done.code, done.text()), (Some(0), "1\n"));
    let done = run(&["read", &input, "--packet", "1"]);
    assert!(done.text().contains("  frame.comment                    -         first\n"), "{}", done.text());
}

#[test]
fn an_interrupted_reading_shows_what_came() {
    let sentence = "enchufe: interrupted before the end: what came until then was shown\n";
    let mut process = Process::start_with_input(enchufe("en", &["read", "-"]));
    process.write(&crafted("report").pcap());
    process.until("M-SEARCH * HTTP/1.1");
    process.signal("INT");
    // Its input ends only then.
    process.errors_until("interrupted");
    let done = process.finish();
    assert_eq!((done.code, done.errors()), (Some(1), sentence));
}

#[test]
fn an_interrupted_reading_shows_what_it_gathered() {
    let mut process =
        Process::start_with_input(enchufe("en", &["read", "-", "--view", "conversations", "--tsv"]));
    // What is written has been read but for a pipe's 64 KiB and the few pieces on their way, none larger than that.
    let report = crafted("report").pcap();
    process.write(&report);
    while_less_than(4 << 20, &report[24..], |frames| process.write(frames));
    process.signal("INT");
    // Its input ends only then.
    process.errors_until("interrupted");
    let done = process.finish();
    assert_eq!(done.code, Some(1));
    assert!(done.text().starts_with("0\t127.0.0.1:63661\t127.0.0.1:8080\t"), "{}", done.text());
    assert!(done.errors().ends_with("what came until then was shown\n"), "{}", done.errors());
}

/// Hands a piece on again and again, until it was so many bytes.
fn while_less_than(most: usize, piece: &[u8], mut with: impl FnMut(&[u8])) {
    let pieces = piece.repeat(100);
    (0..most / pieces.len()).for_each(|_| with(&pieces));
}

#[test]
fn the_first_file_of_a_merge_may_be_a_pipe() {
    let whole = crafted("retransmissions");
    let [even, odd] = [0, 1].map(|rest| part(&whole, |at| at % 2 == rest).pcap());
    let files = Files::new(&[("odd", &odd)]);
    let path: PathBuf = files.path("odd").into();
    let mut process =
        Process::start_with_input(enchufe("en", &["read", "-", path.to_str().unwrap(), "--tsv"]));
    process.write(&even);
    process.finish().is(0, &golden("retransmissions", "one"), "");
}

/// A frame of zstd that holds these bytes as they are (RFC 8878 §3.1.1): blocks of at most 1,000 bytes.
fn zstd(content: &[u8]) -> Vec<u8> {
    // A single segment, its length in four bytes.
    let mut out = [&0xfd2f_b528_u32.to_le_bytes()[..], &[0xa0]].concat();
    out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    let count = content.chunks(1000).count();
    for (at, block) in content.chunks(1000).enumerate() {
        let head = u32::try_from(block.len()).unwrap() << 3 | u32::from(at + 1 == count);
        out.extend(&head.to_le_bytes()[..3]);
        out.extend(block);
    }
    out
}

#[test]
fn all_frames_of_a_zstd_archive_are_read() {
    let capture = crafted("report").pcap();
    let (first, second) = capture.split_at(228);
    let skipped = [&0x184d_2a53_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
    let whole = [zstd(first), zstd(second)].concat();
    let with_skipped = [&skipped[..], &zstd(first), &skipped, &zstd(second), &skipped].concat();
    let files = Files::new(&[("one", &zstd(&capture)), ("two", &whole), ("skipped", &with_skipped)]);
    for name in ["one", "two", "skipped"] {
        run(&["read", &files.path(name), "--tsv"]).is(0, &golden("report", "two"), "");
    }
}

#[test]
fn a_damaged_archive_is_said_and_one_that_is_cut() {
    let capture = crafted("report").pcap();
    let zstd = zstd(&capture);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &capture).unwrap();
    let mut gzip = gzip.finish().unwrap();
    // The checksum is in the last eight bytes.
    let place = gzip.len() - 6;
    gzip[place] ^= 1;
    let rubbish = [&zstd[..], b"and more"].concat();
    let files = Files::new(&[("gzip", &gzip), ("cut", &zstd[..zstd.len() - 1]), ("rubbish", &rubbish)]);
    for (name, cause, es) in [
        ("gzip", "the archive is damaged", "el archivo comprimido está dañado"),
        ("cut", "the archive ends too early", "el archivo comprimido termina antes de tiempo"),
        ("rubbish", "the archive is damaged", "el archivo comprimido está dañado"),
    ] {
        let path = files.path(name);
        let done = run(&["read", &path, "--tsv"]);
        let said = format!("enchufe: {path} cannot be read further: {cause}; what is before was shown\n");
        assert_eq!((done.code, done.errors()), (Some(1), said.as_str()), "{name}");
        assert!(golden("report", "two").starts_with(done.text()) && !done.text().is_empty());
        let done = Process::start(enchufe("es", &["read", &path])).finish();
        assert!(done.errors().contains(es), "{}", done.errors());
    }
}

#[test]
fn what_is_read_is_never_written_over() {
    let capture = crafted("report").pcap();
    let files = Files::new(&[("in", &capture)]);
    let (input, hard) = (files.path("in"), files.path("hard"));
    std::fs::hard_link(&input, &hard).unwrap();
    let said = |path: &str| format!("{path} is a capture that is being read: write to another file");
    run(&["read", &input, "-w", &hard]).could_not_run(&said(&hard));
    let mut command = enchufe("en", &["read", "-", "-w", &input]);
    command.stdin(std::fs::File::open(&input).unwrap()).stdout(std::process::Stdio::piped());
    let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("enchufe: {}\n", said(&input)));
    assert_eq!(std::fs::read(&input).unwrap(), capture);
}

#[test]
fn the_name_of_a_file_does_not_act_on_the_terminal() {
    let done = run(&["read", "a\u{1b}[31m\n.pcap"]);
    assert_eq!(
        done.errors(),
        "enchufe: open a\\u{1b}[31m\\n.pcap: it does not exist; look at its name (ls), or name another file\n"
    );
}

#[test]
fn what_looks_like_a_file_and_is_no_filter_is_a_file() {
    let files = Files::new(&[("in", &crafted("report").pcap())]);
    let words = ["read", &files.path("in"), "/no/such/file"];
    run(&words)
        .could_not_run("open /no/such/file: it does not exist; look at its name (ls), or name another file");
}

#[test]
fn a_capture_is_written_to_standard_output_for_another_program() {
    let files = Files::new(&[("in", &everything(true))]);
    let line = "\"$0\" read \"$1\" -w - 2> /dev/null | \"$0\" read - --tsv --columns frame.comment,length 2> /dev/null";
    let command = common::other("sh", &["-c", line, env!("CARGO_BIN_EXE_enchufe"), &files.path("in")]);
    Process::start(command).finish().is(0, "first,second\t60\n", "");
    let line = "{ \"$0\" read \"$1\" -w - 2> /dev/null; echo $? >&2; } | true";
    let command = common::other("sh", &["-c", line, env!("CARGO_BIN_EXE_enchufe"), &files.path("in")]);
    Process::start(command).finish().is(0, "", "0\n");
}
