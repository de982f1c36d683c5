//! The sentence where an interface went down or away.

use crate::problem::{Kind, Problem};
use crate::text::{escape, shell_quoted};
use enchufe_sys::interfaces::Interface;

/// Which of the two it is, by the interfaces that there are now.
pub fn problem(name: &str, all: &[Interface]) -> Problem {
    let kind = if all.iter().any(|one| one.name == name) { Kind::InterfaceDown } else { Kind::InterfaceGone };
    let others: Vec<_> = all.iter().map(|one| escape(one.name.as_bytes())).collect();
    Problem::new(kind)
        .with("name", escape(name.as_bytes()))
        .with("word", shell_quoted(name))
        .with("others", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Language};

    #[test]
    fn an_interface_that_is_there_is_down_and_another_is_gone() {
        let one = |name: &str| Interface { index: 1, name: name.to_owned(), hardware: None, up: false };
        let (all, catalogue) = ([one("lo"), one("eth0")], Catalogue::new(Language::English));
        let said = |name| problem(name, &all).text(&catalogue);
        assert_eq!(
            said("tun0"),
            "the interface tun0 is gone; there are: lo, eth0 (and any, for all of them)"
        );
        assert_eq!(
            said("eth0"),
            "the interface eth0 is down: nothing passes it; bring it up with: sudo ip link set eth0 up"
        );
    }
}
