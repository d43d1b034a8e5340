/**
 * The names of the demo's world, all invented: who and what can live in Cloud River Valley. Which of them do,
 * and what is true of them, the seed decides (world.ts).
 */
import type { SeededRandom } from './random.js';

export type Language = 'zh' | 'en';
export const languages: readonly Language[] = ['zh', 'en'];

/** One thing said in both languages. */
export interface Term {
  readonly zh: string;
  readonly en: string;
}

export type EntityKind = 'person' | 'animal' | 'object' | 'place';
export const entityKinds: readonly EntityKind[] = ['person', 'animal', 'object', 'place'];

/** A name with the pronoun that later sentences use for it. */
export interface EntityName extends Term {
  readonly pronoun: 'she' | 'he' | 'it';
}

/** `"zh/en zh/en …"` with `_` for a space inside a name: keeps the long lists readable. */
export function parseTerms(text: string): Term[] {
  return text.split(/\s+/).map((pair) => {
    const [zh = '', en = ''] = pair.split('/');
    return { zh, en: en.replaceAll('_', ' ') };
  });
}

function names(pronoun: EntityName['pronoun'], text: string): EntityName[] {
  return parseTerms(text).map((term) => ({ ...term, pronoun }));
}

/** Women and men alternate in each cut of the list, so that a small world has both. */
function alternate(first: EntityName[], second: EntityName[]): EntityName[] {
  return first.flatMap((name, index) => [name, ...second.slice(index, index + 1)]);
}

/** First characters and first letters differ where possible: a small model tells names apart by them. */
export const entityNames: Readonly<Record<EntityKind, readonly EntityName[]>> = {
  person: alternate(
    names(
      'she',
      '小岚/Lan 苏禾/Suhe 云溪/Yunxi 南星/Nanxing 青黛/Qingdai 阿暖/Nuan 宁月/Ningyue 若冰/Ruobing 丹朱/Danzhu 知秋/Zhiqiu',
    ),
    names(
      'he',
      '阿木/Amu 铁山/Tieshan 文柏/Wenbo 长风/Changfeng 大鹏/Dapeng 明远/Mingyuan 子墨/Zimo 东来/Donglai 高远/Gaoyuan 福生/Fusheng',
    ),
  ),
  animal: names(
    'it',
    '团团/Tuantuan 芝麻/Sesame 可可/Coco 糯米/Nuomi 跳跳/Hop 咕咕/Gugu 花卷/Huajuan 年糕/Niangao 乐乐/Lele 布丁/Pudding 闹闹/Naonao 米粒/Mili',
  ),
  object: names(
    'it',
    '星灯/the_Star_Lamp 云鼓/the_Cloud_Drum 月镜/the_Moon_Mirror 雷钟/the_Thunder_Bell 雪壶/the_Snow_Kettle 海号/the_Sea_Horn 风轮/the_Wind_Wheel 梦箱/the_Dream_Box 火杯/the_Fire_Cup 虹琴/the_Rainbow_Harp 露碗/the_Dew_Bowl 雾匙/the_Mist_Key',
  ),
  place: names(
    'it',
    '青石镇/Bluestone 白鹭镇/Egret 红枫镇/Redmaple 双钟镇/Twinbell 金麦镇/Goldwheat 风车镇/Windmill 新月镇/Crescent 老井镇/Oldwell',
  ),
};

/** How a sentence begins when the name was said before. */
export const pronouns: Readonly<Record<EntityName['pronoun'], Term & { readonly enPossessive: string }>> = {
  she: { zh: '她', en: 'she', enPossessive: 'her' },
  he: { zh: '他', en: 'he', enPossessive: 'his' },
  it: { zh: '它', en: 'it', enPossessive: 'its' },
};

const strangerParts: Readonly<Record<Language, readonly string[]>> = {
  zh: [...'春夏秋冬梅兰竹菊山水石林江河湖海金玉珍珠云雪风雨晴雁鹤燕松柏'],
  en: ['Ba', 'Do', 'Fi', 'Ka', 'Li', 'Mo', 'Na', 'Pe', 'Ro', 'Shu', 'Ta', 'Ve', 'Wei', 'Xia', 'Yan', 'Zho'],
};

/** A name made up of two parts, for people whom only a single dialogue mentions; the same in both languages. */
export function strangerName(language: Language, random: SeededRandom): EntityName {
  const first = random.pick(strangerParts[language]);
  const second = random.pick(strangerParts[language]);
  const name = language === 'zh' ? first + second : first + second.toLowerCase();
  return { zh: name, en: name, pronoun: random.pick(['she', 'he']) };
}
