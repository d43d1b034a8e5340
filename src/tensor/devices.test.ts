import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InputError } from '../errors/index.js';
import {
  chooseLinearRoute,
  cpuFeatures,
  deviceList,
  getThreads,
  prepareRuntime,
  selectDevice,
  setThreads,
} from './index.js';
import { native } from './native.js';

describe('devices', () => {
  it('the CPU is always there', () => {
    expect(selectDevice('cpu')).toBe('cpu');
    expect(deviceList().devices[0]?.name).toBe('cpu');
    expect(cpuFeatures().cores).toBeGreaterThan(0);
  });

  it.each(['', 'gpu', 'cuda:', 'cuda:x', 'cuda:-1', 'CPU'])('refuses "%s"', (name) => {
    expect(() => selectDevice(name)).toThrow(InputError);
    expect(() => selectDevice(name)).toThrow(`device "${name}" is not known`);
  });

  it('says why there is no CUDA device, or gives its full name', () => {
    const { devices, absent } = deviceList();
    if (absent.length === 0) {
      expect(selectDevice('cuda')).toBe('cuda:0');
      expect(() => selectDevice('cuda:999')).toThrow(`${devices.length - 1} CUDA device`);
    } else expect(() => selectDevice('cuda')).toThrow(InputError);
  });
});

it('a library that is not there is named', () => {
  expect(() => native().loadLibrary('/nowhere/libtorch_cuda.so')).toThrow(
    /^\/nowhere\/libtorch_cuda\.so: cannot be loaded/,
  );
});

describe('threads', () => {
  it('are set and checked', () => {
    const before = getThreads();
    setThreads(2);
    expect(getThreads()).toBe(2);
    setThreads(before);
    for (const threads of [0, -1, 1.5, Number.NaN, 1e9])
      expect(() => prepareRuntime({ threads })).toThrow(InputError);
  });
});

describe('the route of float32 matrices', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'xinghe-route-'));
    vi.stubEnv('XINGHE_CACHE', folder);
    vi.stubEnv('XINGHE_LINEAR', '');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
    native().setLinearRoutes(false, false, false);
  });
  const file = (): string => join(folder, 'linear-routes.json');

  it('is measured once, kept in the cache folder, and read from there', () => {
    const measured = chooseLinearRoute();
    expect(native().linearRoutes()).toEqual([measured.forward, measured.gradInput, measured.gradWeight]);
    const [[key, kept] = []] = Object.entries(JSON.parse(readFileSync(file(), 'utf8')));
    expect(kept).toEqual(measured);
    const other = {
      forward: !measured.forward,
      gradInput: measured.gradInput,
      gradWeight: !measured.gradWeight,
    };
    writeFileSync(file(), JSON.stringify({ [key ?? '']: other, elsewhere: other }));
    expect(chooseLinearRoute()).toEqual(other);
    expect(native().linearRoutes()).toEqual([other.forward, other.gradInput, other.gradWeight]);
  });

  it.each(['', '{', 'null', '[1]', '{"a": {"forward": 1}}'])('survives a broken cache: %s', (content) => {
    writeFileSync(file(), content);
    expect(Object.keys(chooseLinearRoute())).toEqual(['forward', 'gradInput', 'gradWeight']);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).not.toHaveProperty('a');
  });

  it('XINGHE_LINEAR decides without a measurement', () => {
    vi.stubEnv('XINGHE_LINEAR', 'onednn');
    chooseLinearRoute();
    expect(native().linearRoutes()).toEqual([true, true, true]);
    vi.stubEnv('XINGHE_LINEAR', 'blas');
    chooseLinearRoute();
    expect(native().linearRoutes()).toEqual([false, false, false]);
    vi.stubEnv('XINGHE_LINEAR', 'mkl');
    expect(() => chooseLinearRoute()).toThrow(/XINGHE_LINEAR is "mkl"/);
  });
});
