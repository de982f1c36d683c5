//! The kernel facilities that enchufe uses, as types.
