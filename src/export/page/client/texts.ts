/** What the page says, in English and Chinese. */

const english = {
  lead: 'runs in this browser: nothing you write leaves it',
  choose: 'Choose the exported folder',
  chooseWhy:
    'A page opened from the disk may not read the files beside it by itself. Pick the folder that it lies in.',
  loading: 'loading',
  ready: 'ready',
  ask: 'Write a message',
  send: 'Send',
  stop: 'Stop',
  anew: 'New conversation',
  temperature: 'Temperature',
  speed: 'tokens/s',
  you: 'You',
  model: 'Model',
  failed: 'That did not work',
};

const chinese: typeof english = {
  lead: '在本浏览器中运行，您输入的内容不会离开本机',
  choose: '选择导出的文件夹',
  chooseWhy: '从磁盘打开的页面不能自行读取旁边的文件，请选择本页面所在的文件夹。',
  loading: '正在加载',
  ready: '就绪',
  ask: '输入消息',
  send: '发送',
  stop: '停止',
  anew: '新对话',
  temperature: '温度',
  speed: '词元/秒',
  you: '你',
  model: '模型',
  failed: '出错了',
};

export const isChinese = navigator.language.toLowerCase().startsWith('zh');
export const texts = isChinese ? chinese : english;
