//! Both at once.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::sketch::run);
