-- Coroutines, goto, string patterns and numbers.
local function lines(text)
  return coroutine.wrap(function()
    for line in text:gmatch "[^\n]+" do coroutine.yield(line, #line) end
  end)
end
local longest = ""
for line, length in lines(here:read "CHANGELOG.md") do
  if length == 0 then goto continue end
  if length > #longest then longest = line end
  ::continue::
end
local words = {}
for word in longest:lower():gsub("%p", " "):gmatch "%S+" do words[word] = (words[word] or 0) + 1 end
local names = {}
for word in pairs(words) do table.insert(names, word) end
table.sort(names, function(a, b) return words[a] > words[b] or words[a] == words[b] and a < b end)
print(table.concat(names, " "), math.huge, 0x10, 1e3, -2 ^ 2, 7 % 3, not nil == true)
