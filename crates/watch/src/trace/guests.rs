//! Programs that join while others run.

use super::join::door::News;
use super::join::message::{DESCRIPTORS, Refusal};
use super::join::{Door, Request};
use super::programs;
use super::run::{GRACE, Phase, Running};
use enchufe_sys::ptrace;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

impl Running<'_> {
    /// Lets in who asks, hands signals on, tells who waits, and ends the programs of who is gone.
    pub(super) fn receive_guests(&mut self) {
        let Some(door) = &mut self.audience.door else { return };
        for news in door.take() {
            match news {
                News::Asks(guest, request, descriptors) => self.join(guest, request, &descriptors),
                News::Signals(program, signal) => self.signal_program(program, signal),
                News::Gone(program) => {
                    self.leaving.push((program, Instant::now()));
                    self.signal_program(program, libc::SIGTERM);
                }
            }
        }
        self.tell_guests();
        self.see_off();
    }

    fn join(&mut self, guest: u64, request: Request, descriptors: &[OwnedFd; DESCRIPTORS]) {
        let launched = if self.phase < Phase::Draining {
            programs::start_guest(&request, descriptors, &self.filter).map_err(|error| refusal(error.error()))
        } else {
            Err(Refusal::Ending)
        };
        let launched = launched.and_then(|launched| {
            let known = self.tracer.launched(launched.pid, request.command);
            if known.is_err() {
                // It was not let go on yet, or is gone.
                let _ = ptrace::signal(launched.pid, libc::SIGKILL);
            }
            known.map(|()| launched).map_err(|error| refusal(&error))
        });
        let Some(door) = &mut self.audience.door else { return };
        match launched {
            Ok(launched) => {
                door.launched(guest, u32::try_from(self.launched.len()).unwrap_or(u32::MAX));
                self.launched.push(Some(launched));
            }
            Err(refusal) => door.refuse(guest, refusal),
        }
    }

    /// Tells guests whose programs have ended, or could not begin.
    pub(super) fn tell_guests(&mut self) {
        for program in self.audience.door.iter().flat_map(Door::programs).collect::<Vec<_>>() {
            let place = usize::try_from(program).unwrap_or(usize::MAX);
            let Some(status) = self.tracer.programs.get(place).and_then(|program| program.status) else {
                continue;
            };
            let failure = self.has_failed(place).then(|| self.failure(place));
            let Some(door) = &mut self.audience.door else { return };
            match failure {
                Some(error) => door.failed(program, error.error().raw_os_error().unwrap_or(libc::EINTR)),
                None => door.ended(program, status),
            }
        }
    }

    /// Kills what was asked to end and has not, as nobody waits for it any more.
    fn see_off(&mut self) {
        let late = |since: &Instant| since.elapsed() >= GRACE;
        for (program, _) in self.leaving.iter().filter(|(_, since)| late(since)) {
            self.signal_program(*program, libc::SIGKILL);
        }
        self.leaving.retain(|(_, since)| !late(since));
    }

    fn signal_program(&self, program: u32, signal: i32) {
        let all = self.tracer.processes.iter().filter(|(_, process)| process.program == program);
        for (pid, _) in all {
            // Who is gone already needs none.
            let _ = ptrace::signal(*pid, signal);
        }
    }
}

fn refusal(error: &io::Error) -> Refusal {
    Refusal::Program(error.raw_os_error().unwrap_or(libc::EINVAL))
}
