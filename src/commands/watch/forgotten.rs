//! What is said of conversations that were forgotten: a watch may last for days, and its memory is bounded.

use crate::catalogue::Catalogue;
use enchufe_wire::tcp::Conversations;
use fluent_bundle::FluentArgs;

/// Says it once when it begins, and in the end how many they were.
pub struct Forgotten<'a> {
    catalogue: &'a Catalogue,
    seen: u64,
}

impl<'a> Forgotten<'a> {
    pub const fn new(catalogue: &'a Catalogue) -> Self {
        Self { catalogue, seen: 0 }
    }

    /// Looks after each packet; the sentence where the first one was forgotten.
    pub fn look(&mut self, all: &Conversations) -> Option<String> {
        let begins = self.seen == 0 && all.forgotten() > 0;
        self.seen = all.forgotten();
        begins.then(|| self.catalogue.plain("watch-forgets"))
    }

    /// How many were forgotten, if any.
    pub fn count(&self) -> Option<String> {
        let mut args = FluentArgs::new();
        args.set("count", self.seen);
        (self.seen > 0).then(|| self.catalogue.text("watch-forgotten", &args))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Language;
    use enchufe_wire::file::{Options, Record};
    use enchufe_wire::session::Session;
    use enchufe_wire::tcp::Limits;
    use enchufe_wire::time::Resolution;
    use enchufe_wire::{LinkType, Timestamp};

    /// A segment to this port.
    fn segment(port: u8) -> [u8; 40] {
        let mut bytes = [0; 40];
        (bytes[0], bytes[3], bytes[8], bytes[9]) = (0x45, 40, 64, 6);
        (bytes[23], bytes[32], bytes[33]) = (port, 0x50, 0x10);
        bytes
    }

    /// What is said of segments to these ports, after each of them and in the end.
    fn said(ports: &[u8]) -> (Vec<Option<String>>, Option<String>) {
        let catalogue = Catalogue::new(Language::English);
        let mut forgotten = Forgotten::new(&catalogue);
        let mut session = Session::new(Limits { conversations: 2, unacked: 2 });
        let after = ports.iter().map(|port| {
            session.frame(&Record {
                interface: 0,
                link: LinkType::RAW,
                time: Some(Timestamp::default()),
                resolution: Resolution::NANOS,
                bytes: &segment(*port),
                wire_len: 40,
                options: Options::NONE,
            });
            forgotten.look(session.conversations())
        });
        (after.collect(), forgotten.count())
    }

    #[test]
    fn that_conversations_are_forgotten_is_said_once_and_counted_in_the_end() {
        assert_eq!(said(&[1, 2, 1, 2]), (vec![None; 4], None));
        let begins = "there are more conversations than memory is kept for: for each new one the longest idle one is now \
                      forgotten; what then comes of it counts as new";
        let expected = [None, None, Some(begins.to_owned()), None, None];
        let count = "2 conversations were forgotten to keep memory bounded".to_owned();
        assert_eq!(said(&[1, 2, 3, 3, 1]), (expected.to_vec(), Some(count)));
    }
}
