#!/bin/bash
# A launch script in the form of TeleChat's: the argument names and values are the published ones, the text is our own.
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7

OUTPUT=lora-run
STAGE=3
ROWS=4096
PREPARED=datas/rows
WEIGHTS=$1

if [ "$OUTPUT" == "" ]; then
    OUTPUT=./other
fi
mkdir -p $OUTPUT

python -u process_data.py \
   --data_path data.json  \
   --tokenizer_path $WEIGHTS \
   --data_output_path $PREPARED \
   --max_seq_len $ROWS \
   --num_samples 1000 --num_workers 10 --process_method multiple --seed 42

deepspeed --master_port 29500 main.py \
   --data_path ${PREPARED}  \
   --model_name_or_path $WEIGHTS \
   --with_loss_mask \
   --per_device_train_batch_size 1 \
   --max_seq_len $ROWS \
   --learning_rate 3e-5 --weight_decay 0.0001 \
   --num_train_epochs=1 \
   --gradient_accumulation_steps 4 \
   --lr_scheduler_type cosine \
   --precision fp16 \
   --warmup_proportion 0.1 \
   --gradient_checkpointing \
   --seed 42 \
   --zero_stage $STAGE \
   --save_steps 100 \
   --deepspeed \
   --lora_dim 8 \
   --mark_only_lora_as_trainable \
   --lora_module_name "self_attention." \
   --output_dir $OUTPUT \
   2>&1 | tee $OUTPUT/training.log
