//! The facilities of the Linux kernel: one flat module each, beside this file. None imports another, except
//! the small helpers `errno` and `fd`; what needs two is composed in `host/linux.rs`.

pub(crate) mod errno;
pub(crate) mod fd;

pub mod accept;
pub mod activation;
pub mod affinity;
pub(crate) mod allocator;
pub mod capability;
pub mod children;
pub mod cookie;
pub mod epoll;
pub mod eventfd;
#[cfg(enchufe_faults)]
pub mod faults;
pub mod interfaces;
pub mod io_uring;
pub mod namespace;
pub mod origin;
pub mod outside;
pub mod packet_ring;
pub mod pair;
pub mod parent_death;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod ptrace;
pub mod pty;
pub mod queues;
pub mod reuseport;
pub mod rlimit;
pub mod routes;
pub mod schedstat;
pub mod signals;
pub mod sock_diag;
pub mod splice;
pub mod start;
pub mod tcp_info;
pub mod termios;
pub mod ticks;
pub mod timer_slack;
pub mod tun;
pub mod unix;
pub mod usage;
