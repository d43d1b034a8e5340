/** The attributes that the tool chain knows by heart: how each is called in both languages. */

export type Language = 'zh' | 'en';

/** The 19 attributes of the published table. */
export const ATTRIBUTE_KINDS = [
  'identity',
  'name',
  'age',
  'father',
  'mother',
  'marriage',
  'ability',
  'job',
  'employer',
  'nationality',
  'birthday',
  'city',
  'hobby',
  'strengths',
  'weaknesses',
  'motto',
  'character',
  'language',
  'intelligence',
] as const;

/** What the template asks besides: set by few, so that an honest answer says that nothing is known of it. */
export const FURTHER_KINDS = [
  'salary',
  'hours',
  'height',
  'weight',
  'blood',
  'zodiac',
  'school',
  'phone',
  'pet',
  'food',
  'colour',
  'siblings',
  'car',
  'award',
] as const;

export type AttributeKind = (typeof ATTRIBUTE_KINDS)[number] | (typeof FURTHER_KINDS)[number];

interface KindNames {
  /** The first is the word for people. */
  readonly zh: readonly string[];
  readonly en: readonly string[];
}

export const KIND_NAMES: Readonly<Record<AttributeKind, KindNames>> = {
  identity: { zh: ['身份', '角色'], en: ['identity', 'role'] },
  name: { zh: ['名字', '姓名', '称呼', '昵称'], en: ['name', 'nickname', 'full name'] },
  age: { zh: ['年龄', '岁数', '年纪'], en: ['age'] },
  father: { zh: ['父亲', '爸爸'], en: ['father', 'dad'] },
  mother: { zh: ['母亲', '妈妈'], en: ['mother', 'mum', 'mom'] },
  marriage: {
    zh: ['婚姻状况', '婚姻', '婚否', '婚姻状态'],
    en: ['marital status', 'marriage', 'marital_status'],
  },
  ability: { zh: ['能力', '功能', '本领', '技能'], en: ['abilities', 'ability', 'functions', 'skills'] },
  job: { zh: ['职业', '工作', '岗位'], en: ['job', 'occupation', 'profession'] },
  employer: {
    zh: ['单位', '所在单位', '公司', '工作单位'],
    en: ['employer', 'company', 'organisation', 'organization'],
  },
  nationality: { zh: ['国籍', '国家'], en: ['nationality', 'country'] },
  birthday: { zh: ['生日', '出生日期', '出生日'], en: ['birthday', 'date of birth', 'birth date'] },
  city: { zh: ['城市', '所在城市', '居住地', '住址'], en: ['city', 'residence', 'home'] },
  hobby: { zh: ['爱好', '兴趣', '兴趣爱好'], en: ['hobbies', 'hobby', 'interests'] },
  strengths: { zh: ['优点', '长处', '优势'], en: ['strengths', 'strength'] },
  weaknesses: { zh: ['缺点', '短处', '不足'], en: ['weaknesses', 'weakness'] },
  motto: { zh: ['格言', '人生格言', '座右铭'], en: ['motto'] },
  character: { zh: ['性格', '脾气'], en: ['personality', 'character', 'temper'] },
  language: { zh: ['语言'], en: ['languages', 'language'] },
  intelligence: { zh: ['智商', '智力水平', '智力'], en: ['intelligence', 'iq'] },
  salary: { zh: ['工资', '薪水', '收入', '月薪', '年薪'], en: ['salary', 'income', 'pay'] },
  hours: { zh: ['工作时间', '工作时长'], en: ['working hours', 'hours'] },
  height: { zh: ['身高'], en: ['height'] },
  weight: { zh: ['体重'], en: ['weight'] },
  blood: { zh: ['血型'], en: ['blood type', 'blood group'] },
  zodiac: { zh: ['星座', '生肖', '属相'], en: ['star sign', 'zodiac'] },
  school: { zh: ['学校', '毕业学校', '学历'], en: ['school', 'education', 'university'] },
  phone: {
    zh: ['联系方式', '电话', '手机号', '邮箱', '微信'],
    en: ['contact details', 'phone', 'email', 'telephone'],
  },
  pet: { zh: ['宠物'], en: ['pet', 'pets'] },
  food: { zh: ['喜欢的食物', '最爱的食物', '食物'], en: ['favourite food', 'food', 'favorite food'] },
  colour: { zh: ['喜欢的颜色', '颜色'], en: ['favourite colour', 'colour', 'favorite color', 'color'] },
  siblings: { zh: ['兄弟姐妹'], en: ['brothers and sisters', 'siblings'] },
  car: { zh: ['车', '汽车'], en: ['car'] },
  award: { zh: ['奖项', '荣誉'], en: ['awards', 'award'] },
};

const KIND_BY_NAME: ReadonlyMap<string, AttributeKind> = new Map(
  [...ATTRIBUTE_KINDS, ...FURTHER_KINDS].flatMap((kind) =>
    [kind, ...KIND_NAMES[kind].zh, ...KIND_NAMES[kind].en].map((name) => [name, kind] as const),
  ),
);

/** The attribute that goes by this name; undefined for one of the user's own. */
export function kindOfName(name: string): AttributeKind | undefined {
  return KIND_BY_NAME.get(plainName(name));
}

/** Capitals, widths and outer blanks do not tell names apart. */
export function plainName(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase();
}

/** How an attribute is called; one of the user's own by its own name. */
export function nameOfAsked(asked: string, language: Language): string {
  const kind = kindOfName(asked);
  return kind === undefined ? asked : (KIND_NAMES[kind][language][0] ?? asked);
}
