//! Why programs get no network of their own, told apart, and what changes it.

use crate::catalogue::Catalogue;
use std::fs;
use std::io;

/// `EPERM`, `EACCES`, `EINVAL`, `ENOSPC`, `ENOSYS` and `EUSERS` of Linux.
const NOT_PERMITTED: i32 = 1;
const ACCESS: i32 = 13;
const INVALID: i32 = 22;
const NO_SPACE: i32 = 28;
const NO_CALL: i32 = 38;
const TOO_MANY_USERS: i32 = 87;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// `AppArmor` lets only programs with a profile make them (Ubuntu since 23.10).
    AppArmor,
    /// Debian's own setting.
    Setting,
    /// None of this kind may be made.
    Limit(&'static str),
    /// As many as may be are there, or they are nested too deep.
    Reached,
    /// A filter of calls, as containers have it.
    Seccomp,
    /// The kernel was built without them.
    Kernel,
    /// Something else.
    Forbidden,
}

/// What the machine says about itself.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was looked up")]
struct Machine {
    apparmor_restricts: bool,
    /// No profile of `AppArmor` is on this process: what it restricts are those.
    is_unconfined: bool,
    setting_forbids: bool,
    no_users: bool,
    no_networks: bool,
    is_filtered: bool,
    lacks_kinds: bool,
}

impl Machine {
    fn look() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let is = |path: &str, value: &str| text(path).trim() == value;
        let status = text("/proc/self/status");
        let filter = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        let label = text("/proc/self/attr/current");
        Self {
            apparmor_restricts: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            is_unconfined: label.is_empty() || label.starts_with("unconfined"),
            setting_forbids: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            no_users: is("/proc/sys/user/max_user_namespaces", "0"),
            no_networks: is("/proc/sys/user/max_net_namespaces", "0"),
            // 2: a filter is in force (proc(5)).
            is_filtered: filter.is_some_and(|filter| filter.trim() == "2"),
            lacks_kinds: ["user", "net"]
                .iter()
                .any(|kind| fs::symlink_metadata(format!("/proc/self/ns/{kind}")).is_err()),
        }
    }
}

impl Obstacle {
    /// What an error of `unshare(2)`, or of what comes after it, means here.
    pub fn of(refused: &io::Error) -> Self {
        Self::on(refused.raw_os_error().unwrap_or(NOT_PERMITTED), Machine::look())
    }

    const fn on(errno: i32, machine: Machine) -> Self {
        match errno {
            NO_SPACE | TOO_MANY_USERS if machine.no_users => Self::Limit("user.max_user_namespaces"),
            NO_SPACE | TOO_MANY_USERS if machine.no_networks => Self::Limit("user.max_net_namespaces"),
            NO_SPACE | TOO_MANY_USERS => Self::Reached,
            INVALID | NO_CALL if machine.lacks_kinds => Self::Kernel,
            NOT_PERMITTED | ACCESS if machine.setting_forbids => Self::Setting,
            NOT_PERMITTED | ACCESS if machine.apparmor_restricts && machine.is_unconfined => Self::AppArmor,
            NOT_PERMITTED | ACCESS | NO_CALL if machine.is_filtered => Self::Seccomp,
            _ => Self::Forbidden,
        }
    }

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::AppArmor => "apparmor",
            Self::Setting => "setting",
            Self::Limit(_) => "limit",
            Self::Reached => "reached",
            Self::Seccomp => "seccomp",
            Self::Kernel => "kernel",
            Self::Forbidden => "forbidden",
        }
    }

    /// In words.
    pub fn cause(self, catalogue: &Catalogue) -> String {
        catalogue.plain(&format!("obstacle-{}", self.id()))
    }

    /// What takes it away.
    pub fn command(self) -> String {
        match self {
            Self::AppArmor => "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0".to_owned(),
            Self::Setting => "sudo sysctl kernel.unprivileged_userns_clone=1".to_owned(),
            Self::Limit(name) => format!("sudo sysctl {name}=15000"),
            Self::Seccomp => "docker run --security-opt seccomp=unconfined ...".to_owned(),
            Self::Kernel => "CONFIG_USER_NS=y CONFIG_NET_NS=y".to_owned(),
            Self::Reached | Self::Forbidden => "sudo enchufe trace ...".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Language;

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let plain = Machine { is_unconfined: true, ..Machine::default() };
        let ubuntu = Machine { apparmor_restricts: true, ..plain };
        let container = Machine { is_unconfined: false, is_filtered: true, ..ubuntu };
        let cases = [
            // At unshare (23.10), and at what is written afterwards (24.04).
            (NOT_PERMITTED, ubuntu, Obstacle::AppArmor),
            (ACCESS, ubuntu, Obstacle::AppArmor),
            (NOT_PERMITTED, container, Obstacle::Seccomp),
            (NO_CALL, Machine { is_filtered: true, ..plain }, Obstacle::Seccomp),
            (NO_SPACE, Machine { no_users: true, ..ubuntu }, Obstacle::Limit("user.max_user_namespaces")),
            (NO_SPACE, Machine { no_networks: true, ..plain }, Obstacle::Limit("user.max_net_namespaces")),
            (TOO_MANY_USERS, ubuntu, Obstacle::Reached),
            (NOT_PERMITTED, Machine { setting_forbids: true, ..plain }, Obstacle::Setting),
            (INVALID, Machine { lacks_kinds: true, ..plain }, Obstacle::Kernel),
            (NOT_PERMITTED, plain, Obstacle::Forbidden),
            (INVALID, plain, Obstacle::Forbidden),
        ];
        for (errno, machine, obstacle) in cases {
            assert_eq!(Obstacle::on(errno, machine), obstacle, "{errno} {machine:?}");
            for language in Language::ALL {
                assert!(Catalogue::new(language).has(&format!("obstacle-{}", obstacle.id())));
            }
        }
    }

    #[test]
    fn the_profile_that_is_named_allows_what_is_needed_where_it_is_installed() {
        let profile = include_str!("../../../deploy/apparmor/enchufe");
        let lines: Vec<&str> = profile.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
        assert!(lines.contains(&"userns,") && lines.contains(&"abi <abi/4.0>,"));
        let named = Catalogue::new(Language::English).plain("obstacle-apparmor");
        assert!(named.contains("deploy/apparmor/enchufe"), "{named}");
    }
}
