//! The packets that fit, written as pcapng in nanoseconds, with what was said beside them in their files.

use super::reading::Seen;
use super::source::Source;
use super::target::Target;
use crate::problem::{Kind, Problem};
use enchufe_wire::file::{ByteOrder, Custom, Interface, InterfaceInfo, Item, Options, Writer};
use std::collections::HashMap;
use std::io;
use std::path::Path;

pub const APPLICATION: &str = concat!("enchufe ", env!("CARGO_PKG_VERSION"));

/// Writes blocks in order: where more does not fit, those before the last one can be read.
pub struct Copied {
    target: Target,
    writer: Writer,
    block: Vec<u8>,
    /// What is known of the interfaces of each file, as blocks that were not needed yet.
    described: HashMap<(usize, u32), Described>,
    /// The interfaces of this section, by file and number there.
    interfaces: HashMap<(usize, u32), u32>,
    begun: bool,
    count: u64,
    left_out: u64,
}

/// An interface as its file describes it.
struct Described {
    interface: Interface<'static>,
    options: Vec<u8>,
}

impl Copied {
    /// Makes the file; one of the name is replaced, but never one that is read.
    pub fn new(path: &Path, read: &[Source]) -> Result<Self, Problem> {
        let own = same_file::Handle::from_path(path).ok();
        // What is written to a device or a pipe destroys nothing.
        let own = own.filter(|_| path.metadata().is_ok_and(|meta| meta.is_file()));
        let is_read = |source: &Source| own.is_some() && own == source.identity();
        if read.iter().any(is_read) {
            return Err(Problem::new(Kind::SameFile).with("path", path.display()));
        }
        Ok(Self {
            target: Target::create(path)?,
            writer: Writer::new(),
            block: Vec::new(),
            described: HashMap::new(),
            interfaces: HashMap::new(),
            begun: false,
            count: 0,
            left_out: 0,
        })
    }

    /// Writes a packet, its comments and its process with it.
    pub fn packet(&mut self, seen: &Seen<'_, '_>) -> io::Result<()> {
        self.begin();
        let interface = self.interface((seen.file, seen.record.interface), seen);
        self.writer.record(&mut self.block, interface, seen.record);
        self.count += 1;
        self.hand_on()
    }

    /// Takes what is no packet.
    pub fn aside(&mut self, file: usize, item: &Item<'_>) -> io::Result<()> {
        match item {
            Item::Section(section) => {
                // What a section says of itself is worth a section here; a file without any goes into the one there is.
                if !self.begun || section.options.comments().next().is_some() {
                    self.writer.section_like(&mut self.block, APPLICATION, section);
                    self.interfaces.clear();
                    self.begun = true;
                }
                self.described.retain(|(of, _), _| *of != file);
                self.interfaces.retain(|(of, _), _| *of != file);
            }
            Item::Interface(interface) => {
                let (detached, options) = interface.detached();
                self.described.insert((file, interface.index), Described { interface: detached, options });
            }
            Item::Names(names) => self.writer.names(&mut self.block, names),
            Item::Statistics(statistics) => {
                let key = (file, statistics.interface);
                if self.described.contains_key(&key) || self.interfaces.contains_key(&key) {
                    let interface = self.described_interface(key);
                    self.writer.statistics(&mut self.block, interface, statistics);
                }
            }
            Item::Custom(custom) => self.custom(custom),
            Item::Packet(_) | Item::Other { .. } => {}
        }
        self.hand_on()
    }

    /// Custom blocks that may be copied. What is in one of a big-endian section only its maker could turn round; those of
    /// Wireshark are little-endian in any.
    fn custom(&mut self, custom: &Custom<'_>) {
        let readable = custom.order == ByteOrder::Little || custom.enterprise == Custom::WIRESHARK;
        if custom.copied && readable {
            self.writer.custom(&mut self.block, custom.enterprise, true, custom.data);
        } else {
            self.left_out += 1;
        }
    }

    /// A section, where nothing else has begun one.
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.writer.section(&mut self.block, APPLICATION);
        }
    }

    fn interface(&mut self, key: (usize, u32), seen: &Seen<'_, '_>) -> u32 {
        if let Some(number) = self.interfaces.get(&key) {
            return *number;
        }
        if self.described.contains_key(&key) {
            return self.described_interface(key);
        }
        // The older format describes none.
        let number = self.writer.interface(&mut self.block, seen.record.link, &InterfaceInfo::default());
        self.interfaces.insert(key, number);
        number
    }

    fn described_interface(&mut self, key: (usize, u32)) -> u32 {
        if let Some(number) = self.interfaces.get(&key) {
            return *number;
        }
        let Some(described) = self.described.get(&key) else { return 0 };
        let options = Options::new(described.interface.options.order(), &described.options);
        let interface = Interface { options, ..described.interface };
        let number = self.writer.interface_like(&mut self.block, &interface);
        self.interfaces.insert(key, number);
        number
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.target.write(&mut self.block)
    }

    /// How many packets were written.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many blocks were not copied, because they may not be or could not be.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Writes what is held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.begin();
        self.target.flush(&mut self.block)
    }
}
