# The arguments of XVERSE's published full fine-tuning, the data being a file of ours.
deepspeed --num_gpus=8 src/train_bash.py \
    --stage sft --model_name_or_path model_path --do_train \
    --dataset alpaca_gpt4_en --template default --finetuning_type full \
    --output_dir output_model_path --overwrite_cache \
    --per_device_train_batch_size 4 --per_device_eval_batch_size 4 --gradient_accumulation_steps 4 \
    --preprocessing_num_workers 16 --lr_scheduler_type cosine \
    --logging_steps 10 --save_steps 200 --eval_steps 200 \
    --learning_rate 2e-5 --max_grad_norm 0.5 --num_train_epochs 2.0 \
    --evaluation_strategy steps --load_best_model_at_end --plot_loss --bf16 --padding_side right \
    --deepspeed deepspeed.json
