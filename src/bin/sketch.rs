//! `sketch`: both at once.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::programs::sketch::PROGRAM);
