--!messages
-- One state change of a claimed attempt: run hash, result key, its publication and the event, in one step.
-- KEYS: run, events, result, cancels, pauses.
-- ARGV: attempt, owner, state, phase, event, result JSON or '', result expiry [s], run expiry [s], job id, and of what
--   Celery code sent the tag of its message; what the result key must hold to be deleted, or ''
-- Answers {event id, verdict}: 'ok'; 'superseded' or 'final': told in the stream, Redis' own state left alone;
-- 'taken' (only while running): another worker owns it, the attempt must end; 'other': of a sending that never began
-- while another of the same id is under way, and so not told.
local have = redis.call('HMGET', KEYS[1], 'attempt', 'phase', 'owner', 'state', 'assumed', 'messages', 'sending')
local attempt, mine = tonumber(have[1] or 0), tonumber(ARGV[1])
local final, message, sending = ARGV[4] == 'final', ARGV[10] or '', tonumber(have[7] or 1)
if message ~= '' then
  local known = attempt_of(have[6], message)
  if not known and have[1] and have[2] ~= 'final' then return {'', 'other'} end
  -- Not known: it ended before it was claimed (expired, revoked), which is an attempt that never ran.
  if not known and have[1] then mine, sending = attempt + 1, attempt + 1 end
  mine = known or mine
  if not known then
    redis.call('HSET', KEYS[1], 'messages', remembered(have[6], message, mine), 'sending', sending)
    redis.call('HDEL', KEYS[1], 'queued', 'begun')
  end
end
-- A loss is told by an observer, not by the owner, and only of what still runs.
if ARGV[3] == 'LOST' then
  if have[1] and (attempt ~= mine or have[2] ~= 'running') then return {'', 'final'} end
elseif not final and have[3] and attempt == mine and have[3] ~= ARGV[2] then return {'', 'taken'} end
-- A final report is always told, even late: the keeper's merge decides (LINE 7).
local id = redis.call('XADD', KEYS[2], '*', 'e', numbered(ARGV[5], mine))
-- A success of any attempt ends the job, but not one of an earlier sending of its id.
if attempt > mine and (ARGV[3] ~= 'SUCCESS' or mine < sending) then return {id, 'superseded'} end
-- What the keeper concluded from a vanished worker yields to that worker's own word.
local absorbs = mine <= attempt and have[2] == 'final' and not (have[5] and ARGV[2] ~= 'keeper')
if absorbs and (have[4] == 'SUCCESS' or (attempt == mine and ARGV[3] ~= 'SUCCESS')) then return {id, 'final'} end
redis.call('HSET', KEYS[1], 'attempt', math.max(attempt, mine), 'phase', ARGV[4], 'state', ARGV[3], 'event', id)
redis.call('HDEL', KEYS[1], 'assumed')
if final and ARGV[2] == 'keeper' then redis.call('HSET', KEYS[1], 'assumed', '1') end
if ARGV[6] ~= '' then
  redis.call('SETEX', KEYS[3], ARGV[7], ARGV[6])
  redis.call('PUBLISH', KEYS[3], ARGV[6])
end
if (ARGV[11] or '') ~= '' and redis.call('GET', KEYS[3]) == ARGV[11] then redis.call('DEL', KEYS[3]) end
if final then
  redis.call('HDEL', KEYS[1], 'progress', 'pause')
  redis.call('SREM', KEYS[4], ARGV[9])
  redis.call('HDEL', KEYS[5], ARGV[9])
  redis.call('EXPIRE', KEYS[1], ARGV[8])
end
return {id, 'ok'}
