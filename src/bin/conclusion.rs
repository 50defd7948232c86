//! Mrs. Conclusion.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::conclusion::run);
