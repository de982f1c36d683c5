//! The console: who is told of Ctrl-C and of its end, and its modes.

use crate::event::Event;
use crate::win32::check;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, GetStdHandle,
    INPUT_RECORD, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetConsoleCtrlHandler,
    SetConsoleMode, WINDOW_BUFFER_SIZE_EVENT, WriteConsoleInputW,
};
use windows_sys::core::BOOL;

/// Who wants to be told.
static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { all: Vec::new(), is_installed: false });

struct Listeners {
    all: Vec<Weak<Listener>>,
    is_installed: bool,
}

#[derive(Debug)]
struct Listener {
    event: Event,
    count: AtomicUsize,
}

/// Ctrl-C, Ctrl-Break, and that the window is closed or the user logs off.
///
/// Each of several gets each of them. While there is none, they end the process, as they do by default. After the
/// last two Windows ends it in any case, some seconds later (`HandlerRoutine`, *Timeouts*).
#[derive(Debug)]
pub struct ControlEvents(Arc<Listener>);

impl ControlEvents {
    /// Is told of them from now until it is dropped.
    pub fn new() -> io::Result<Self> {
        let listener = Arc::new(Listener { event: Event::new()?, count: AtomicUsize::new(0) });
        let mut listeners = listeners();
        if !listeners.is_installed {
            // SAFETY: the handler is a function of this program, and does nothing that a thread may not.
            check(unsafe { SetConsoleCtrlHandler(Some(handler), 1) })?;
            listeners.is_installed = true;
        }
        listeners.all.retain(|listener| listener.strong_count() > 0);
        listeners.all.push(Arc::downgrade(&listener));
        Ok(Self(listener))
    }

    /// How many came since the last call. Never blocks.
    pub fn take(&self) -> usize {
        // First: what comes between the two is counted, and signals again. It fails only without a handle.
        let _ = self.0.event.reset();
        self.0.count.swap(0, Ordering::SeqCst)
    }
}

impl AsHandle for ControlEvents {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.event.as_handle()
    }
}

fn listeners() -> MutexGuard<'static, Listeners> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Windows calls it in a thread of its own.
unsafe extern "system" fn handler(kind: u32) -> BOOL {
    let mut told = 0;
    for listener in listeners().all.iter().filter_map(Weak::upgrade) {
        listener.count.fetch_add(1, Ordering::SeqCst);
        // It fails only without a handle.
        let _ = listener.event.set();
        told += 1;
    }
    if told == 0 {
        return 0;
    }
    if !matches!(kind, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        // The process ends when this returns: what is open gets the time that there is.
        loop {
            std::thread::park();
        }
    }
    1
}

/// The mode of the console on standard input.
pub fn input_mode() -> io::Result<u32> {
    mode(STD_INPUT_HANDLE).map(|(_, mode)| mode)
}

/// Sets it.
pub fn set_input_mode(mode: u32) -> io::Result<()> {
    // SAFETY: the handle is of this process; where it is no console's the call fails.
    check(unsafe { SetConsoleMode(GetStdHandle(STD_INPUT_HANDLE), mode) })
}

/// Lets the consoles of standard output and standard error understand the escape sequences of terminals, where they
/// are consoles. Fails where a console cannot (before Windows 10 1511).
pub fn understand_escapes() -> io::Result<()> {
    for stream in [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        let Ok((handle, mode)) = mode(stream) else { continue };
        if mode & ENABLE_VIRTUAL_TERMINAL_PROCESSING == 0 {
            // SAFETY: the handle is that of a console, which was just asked for its mode.
            check(unsafe { SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) })?;
        }
    }
    Ok(())
}

fn mode(stream: u32) -> io::Result<(HANDLE, u32)> {
    let mut mode = 0;
    // SAFETY: no memory is passed.
    let handle = unsafe { GetStdHandle(stream) };
    // SAFETY: the pointer is to a live value; where the handle is no console's the call fails.
    check(unsafe { GetConsoleMode(handle, &raw mut mode) })?;
    Ok((handle, mode))
}

/// Puts a change of size that there was not into the console's input: who draws there draws anew.
pub fn redraw() -> io::Result<()> {
    let kind = u16::try_from(WINDOW_BUFFER_SIZE_EVENT).unwrap_or(0);
    let record = INPUT_RECORD { EventType: kind, ..INPUT_RECORD::default() };
    let mut written = 0;
    // SAFETY: the pointers are to one live record, which is only read, and to a live value.
    check(unsafe {
        WriteConsoleInputW(GetStdHandle(STD_INPUT_HANDLE), &raw const record, 1, &raw mut written)
    })
}
