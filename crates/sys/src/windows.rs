//! The facilities of Windows: one flat module each, beside this file. None imports another, except the small
//! helper `win32`; what needs two is composed in `host/windows.rs`.

pub(crate) mod win32;

pub mod afd;
pub mod console;
pub mod event;
pub mod job;
pub mod tcp_table;
pub mod winsock;
