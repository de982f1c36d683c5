//! `mallopt(3)`: what the C library's allocator keeps of memory that was freed.
//!
//! glibc's has an arena for each thread that is there at once, up to eight a processor (`M_ARENA_MAX`), and each keeps free
//! memory of its own at its end: up to 128 KiB (`M_TRIM_THRESHOLD`). A piece of 128 KiB or more (`M_MMAP_THRESHOLD`) lies in no
//! arena but in a mapping, which goes when the piece is freed. But then both numbers grow, to the size of the piece and twice
//! that, 32 and 64 MiB at most: the allocator expects that such pieces are wanted again soon. So one that was large once has
//! every arena keep as much.

/// From now on freed memory goes back to the system as it does when a program begins: neither number grows. For a program whose threads are
/// many. Other allocators than glibc's have none that do.
pub fn give_back_early() {
    #[cfg(target_env = "gnu")]
    {
        const AT_THE_START: libc::c_int = 128 * 1024;
        // SAFETY: it takes two numbers and no memory of ours. Other threads may allocate meanwhile: it holds the lock of the
        // main arena, and the numbers are words that glibc's own `free` changes without any (malloc/malloc.c, `__libc_free`).
        // It refuses only a threshold of more than 32 MiB.
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, AT_THE_START) };
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    /// A piece in a mapping of its own lies two words behind the beginning of a page (malloc/malloc.c, `sysmalloc_mmap`).
    #[test]
    fn a_large_piece_has_a_mapping_of_its_own_though_a_larger_one_was_freed() {
        give_back_early();
        drop(vec![1_u8; 8 << 20]);
        for _ in 0..8 {
            let piece = vec![1_u8; 1 << 20];
            assert_eq!(piece.as_ptr().addr() % 4096, 2 * size_of::<usize>());
            // Where the next one would lie, if pieces came from an arena.
            std::mem::forget(vec![1_u8; 100]);
        }
    }
}
