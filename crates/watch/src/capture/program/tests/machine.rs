//! The kernel's machine for such programs, after <https://docs.kernel.org/networking/filter.html>.

use super::frames::Taken;
use enchufe_sys::packet_ring::Instruction;

const ANCILLARY: u32 = 0xffff_f000;

/// What a frame is for the program: its bytes, and what the kernel knows beside them.
pub(super) fn run(program: &[Instruction], frame: &Taken) -> u32 {
    let (mut at, mut loaded) = (0, 0);
    loop {
        let Instruction { code, on_true, on_false, value } = program[at];
        at += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { on_true } else { on_false });
        match code {
            0x06 => return value,
            0x80 => loaded = u32::try_from(frame.bytes.len()).unwrap(),
            0x54 => loaded &= value,
            0x15 => jump(loaded == value),
            0x25 => jump(loaded > value),
            0x35 => jump(loaded >= value),
            0x45 => jump(loaded & value != 0),
            0x20 if value >= ANCILLARY => loaded = beside(frame, value - ANCILLARY),
            0x20 | 0x28 | 0x30 => match bytes(frame, value, [4, 2, 1][usize::from(code - 0x20) / 8]) {
                Some(found) => loaded = found,
                None => return 0,
            },
            other => panic!("{other:#x} is no code that is written here"),
        }
    }
}

fn bytes(frame: &Taken, place: u32, count: usize) -> Option<u32> {
    let bytes = frame.bytes.get(usize::try_from(place).unwrap()..)?.get(..count)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn beside(frame: &Taken, what: u32) -> u32 {
    match what {
        0 => frame.protocol.into(),
        4 => frame.direction.into(),
        28 => frame.hardware.into(),
        48 => frame.vlan.is_some().into(),
        60 => frame.vlan.map_or(0, |tag| tag.protocol.into()),
        other => panic!("{other} is nothing that is asked here"),
    }
}
